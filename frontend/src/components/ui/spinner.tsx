import { cn } from "@/lib/cn"

/** Three dots that breathe. `label` is read out; leave it out where the words stand beside it. */
export function Dots({ className, label }: { className?: string; label?: string }) {
  return (
    <span className={cn("inline-flex items-center gap-1", className)} {...(label ? { role: "status" } : {})}>
      {[0, 180, 360].map((delay) => (
        <span
          key={delay}
          aria-hidden
          className="size-1.5 rounded-full bg-current animate-dot"
          style={{ animationDelay: `${delay}ms` }}
        />
      ))}
      {label ? <span className="sr-only">{label}</span> : null}
    </span>
  )
}

/** A page or panel that is still on its way. */
export function Waiting({ label }: { label: string }) {
  return (
    <div className="grid h-full min-h-40 place-items-center text-ink-faint">
      <Dots label={label} />
    </div>
  )
}
