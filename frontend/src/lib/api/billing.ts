import { callApi } from "@/lib/api/client"
import type { Checkout, PackageList, Purchase, Tier, Usage } from "@/lib/api/types"
import { ApiError } from "@/lib/errors"
import { queryOptions } from "@tanstack/react-query"

const PRICES_FRESH_MS = 300_000
const POLL_FIRST_MS = 1_000
const POLL_MAX_MS = 15_000
/** So often the first interval is kept: nearly every payment is known within seconds. */
const POLLS_AT_FIRST = 5

export const packagesQuery = queryOptions({
  queryKey: ["packages"],
  queryFn: ({ signal }) => callApi<PackageList>("/api/token-packages", { signal }),
  staleTime: PRICES_FRESH_MS,
})

/** Begins or continues a purchase; the same `purchaseId` always leads to the same payment. */
export function startCheckout(tier: Tier, purchaseId: string): Promise<Checkout> {
  return callApi("/api/checkout", { method: "POST", body: { tier, purchase_id: purchaseId } })
}

export function fetchPurchase(purchaseId: string, signal?: AbortSignal): Promise<Purchase> {
  return callApi(`/api/purchases/${encodeURIComponent(purchaseId)}`, { signal })
}

/** How long to wait before asking again, after `polls` answers that settled nothing. */
export function pollInterval(polls: number): number {
  return Math.min(POLL_MAX_MS, POLL_FIRST_MS * 1.6 ** Math.max(0, polls - POLLS_AT_FIRST))
}

/** Follows a purchase until it is paid or closed; gives up only on one that is not there. */
export function purchaseQuery(purchaseId: string) {
  return queryOptions({
    queryKey: ["purchases", "one", purchaseId],
    queryFn: ({ signal }) => fetchPurchase(purchaseId, signal),
    staleTime: 0,
    retry: false,
    refetchInterval: ({ state }) => {
      if (state.error instanceof ApiError && state.error.status < 500 && state.error.status !== 429) return false
      const isUnsettled = state.data === undefined || state.data.status === "created" || state.data.status === "open"
      return isUnsettled ? pollInterval(state.dataUpdateCount + state.errorUpdateCount) : false
    },
  })
}

/** Bought and spent by month, from the first day of `from` (YYYY-MM-DD, UTC) until today. */
export function usageQuery(from: string) {
  return queryOptions({
    // Below "transactions": whatever moves tokens changes both.
    queryKey: ["transactions", "usage", from],
    queryFn: ({ signal }) => callApi<Usage>("/api/usage", { query: { from }, signal }),
  })
}
