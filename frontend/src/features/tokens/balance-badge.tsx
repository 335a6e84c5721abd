import { useBalance } from "@/features/tokens/balance-context"
import { cn } from "@/lib/cn"
import { Link } from "react-router"

/** The balance in the header: a figure while it is live, a faded one while the line is down, "—" before the first. */
export function BalanceBadge() {
  const { tokens, isLive } = useBalance()
  const isStale = tokens !== null && !isLive
  const words =
    tokens === null ? "Token balance not known yet" : `${tokens} ${tokens === 1 ? "token" : "tokens"} left${isStale ? ", may be out of date" : ""}`
  return (
    <Link
      to="/token-history"
      title={words}
      data-testid="balance"
      data-live={isLive}
      className={cn(
        "inline-flex h-9 items-center gap-2 rounded-full border border-line bg-surface pr-3.5 pl-3 text-sm tabular-nums transition-colors hover:bg-hover",
        tokens === 0 && "border-warn/40 bg-warn-wash",
      )}
    >
      <span aria-hidden className={cn("size-2.5 rounded-full border-2 border-coin bg-coin", (isStale || tokens === null) && "bg-transparent")} />
      <span aria-hidden className={cn("font-medium", isStale && "text-ink-faint")} data-testid="balance-tokens">
        {tokens ?? "—"}
      </span>
      <span className="sr-only">{words}</span>
    </Link>
  )
}
