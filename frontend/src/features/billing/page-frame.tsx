import { cn } from "@/lib/cn"
import type { LucideIcon } from "lucide-react"
import type { ReactNode } from "react"

export function BillingPage({ children }: { children: ReactNode }) {
  return (
    <div className="min-h-0 flex-1 overflow-y-auto scroll-quiet">
      <div className="mx-auto max-w-3xl px-5 py-8 sm:py-10">{children}</div>
    </div>
  )
}

const tones = {
  good: "bg-accent-wash text-accent",
  calm: "bg-hover text-ink-soft",
  warn: "bg-warn-wash text-warn",
}

type OutcomeProps = {
  icon: LucideIcon | (() => ReactNode)
  tone: keyof typeof tones
  title: string
  children?: ReactNode
  actions?: ReactNode
}

/** What became of a payment: one sentence in large letters, what it means, what to do next. */
export function Outcome({ icon: Icon, tone, title, children, actions }: OutcomeProps) {
  return (
    <BillingPage>
      <div role="status" className="mx-auto flex max-w-lg flex-col items-center pt-[6vh] text-center">
        <div aria-hidden className={cn("grid size-14 place-items-center rounded-full [&>svg]:size-6", tones[tone])}>
          <Icon />
        </div>
        <h1 className="mt-6 font-serif text-3xl font-medium tracking-tight text-balance">{title}</h1>
        {children ? <div className="mt-3 max-w-full space-y-3 text-pretty text-ink-soft">{children}</div> : null}
        {actions ? <div className="mt-8 flex flex-wrap justify-center gap-3">{actions}</div> : null}
      </div>
    </BillingPage>
  )
}
