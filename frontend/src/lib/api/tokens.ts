import { callApi } from "@/lib/api/client"
import type { Balance, TransactionPage } from "@/lib/api/types"
import { infiniteQueryOptions } from "@tanstack/react-query"

const PAGE_SIZE = 50

export function fetchBalance(signal?: AbortSignal): Promise<Balance> {
  return callApi("/api/balance", { signal })
}

export const transactionsQuery = infiniteQueryOptions({
  queryKey: ["transactions"],
  queryFn: ({ pageParam, signal }) =>
    callApi<TransactionPage>("/api/transactions", { query: { limit: PAGE_SIZE, cursor: pageParam }, signal }),
  initialPageParam: null as string | null,
  getNextPageParam: (page) => page.next_cursor,
})
