import { useBalance } from "@/features/tokens/balance-context"
import { packagesQuery } from "@/lib/api/billing"
import { purchasePath } from "@/lib/purchase-path"
import { useQuery } from "@tanstack/react-query"
import { Link, useLocation } from "react-router"

const LOW_TOKENS = 3

/** Beside the balance when it runs low, where tokens can be bought. */
export function LowBalanceHint() {
  const { tokens } = useBalance()
  const { pathname, search } = useLocation()
  const isLow = tokens !== null && tokens <= LOW_TOKENS
  const isElsewhere = !/^\/(purchase-tokens|payment-)/.test(pathname)
  const packages = useQuery({ ...packagesQuery, enabled: isLow && isElsewhere })
  if (!isLow || !isElsewhere || !packages.data) return null
  return (
    <Link
      to={purchasePath(pathname + search)}
      className="inline-flex h-9 shrink-0 items-center rounded-full bg-warn-wash px-3.5 text-sm font-medium text-warn transition-colors hover:bg-hover"
    >
      Buy<span className="hidden sm:inline">&nbsp;tokens</span>
      <span className="sr-only sm:hidden"> tokens</span>
    </Link>
  )
}
