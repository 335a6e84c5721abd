import { IconButton } from "@/components/ui/button"
import { cn } from "@/lib/cn"
import { X, type LucideIcon } from "lucide-react"
import type { ReactNode } from "react"

const tones = {
  calm: "border-line bg-surface [&>svg]:text-ink-faint",
  warn: "border-warn/25 bg-warn-wash [&>svg]:text-warn",
  danger: "border-danger/25 bg-danger-wash [&>svg]:text-danger",
}

type NoticeProps = {
  icon: LucideIcon
  title: string
  children?: ReactNode
  actions?: ReactNode
  tone?: keyof typeof tones
  onDismiss?: () => void
  className?: string
}

/** States in the page what happened and offers what to do about it. */
export function Notice({ icon: Icon, title, children, actions, tone = "calm", onDismiss, className }: NoticeProps) {
  return (
    <div
      role={tone === "danger" ? "alert" : "status"}
      className={cn("flex gap-3 rounded-xl border p-3.5 pl-4 text-[0.9375rem] animate-rise", tones[tone], className)}
    >
      <Icon aria-hidden className="mt-0.5 size-[1.15rem] shrink-0" />
      <div className="min-w-0 flex-1">
        <p className="font-medium">{title}</p>
        {children ? <div className="mt-0.5 text-ink-soft">{children}</div> : null}
        {actions ? <div className="mt-3 flex flex-wrap items-center gap-x-3 gap-y-2">{actions}</div> : null}
      </div>
      {onDismiss ? (
        <IconButton label="Dismiss" size="iconSmall" onClick={onDismiss} className="-mt-1 -mr-1">
          <X />
        </IconButton>
      ) : null}
    </div>
  )
}
