import { cn } from "@/lib/cn"
import { useId, type ComponentProps, type ReactNode } from "react"

export function Input({ className, ...props }: ComponentProps<"input">) {
  return (
    <input
      className={cn(
        "h-11 w-full rounded-lg border border-line-strong/70 bg-surface px-3.5 text-base text-ink transition-colors hover:border-line-strong aria-invalid:border-danger",
        className,
      )}
      {...props}
    />
  )
}

type FieldProps = ComponentProps<"input"> & { label: string; error?: string | undefined; hint?: ReactNode }

/** A labelled input whose hint and error are announced with it. */
export function Field({ label, error, hint, ...props }: FieldProps) {
  const id = useId()
  const describedBy = error ? `${id}-error` : hint ? `${id}-hint` : undefined
  return (
    <div className="space-y-1.5">
      <label htmlFor={id} className="block text-sm font-medium">
        {label}
      </label>
      <Input id={id} aria-invalid={error ? true : undefined} aria-describedby={describedBy} {...props} />
      {error ? (
        <p id={`${id}-error`} className="text-sm text-danger">
          {error}
        </p>
      ) : hint ? (
        <p id={`${id}-hint`} className="text-sm text-ink-faint">
          {hint}
        </p>
      ) : null}
    </div>
  )
}
