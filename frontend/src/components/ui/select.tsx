import { cn } from "@/lib/cn"
import { ChevronDown } from "lucide-react"
import type { ComponentProps } from "react"

/** The browser's own list, dressed like the other fields. */
export function Select({ className, ...props }: ComponentProps<"select">) {
  return (
    <div className="relative">
      <select
        className={cn(
          "h-9 w-full appearance-none rounded-lg border border-line-strong/70 bg-surface pr-8 pl-2.5 text-sm transition-colors hover:border-line-strong",
          className,
        )}
        {...props}
      />
      <ChevronDown aria-hidden className="pointer-events-none absolute top-2.5 right-2.5 size-4 text-ink-faint" />
    </div>
  )
}
