import { callApi } from "@/lib/api/client"
import type { Balance, TransactionPage, TransactionType } from "@/lib/api/types"
import { infiniteQueryOptions } from "@tanstack/react-query"

const PAGE_SIZE = 50

export function fetchBalance(signal?: AbortSignal): Promise<Balance> {
  return callApi("/api/balance", { signal })
}

/** Narrows the history: a type, and moments (ISO) from which on and before which. */
export type TransactionFilter = { type: TransactionType | null; from: string | null; to: string | null }

export function fetchTransactions(
  filter: TransactionFilter,
  page: { cursor: string | null; limit: number; signal?: AbortSignal },
): Promise<TransactionPage> {
  return callApi("/api/transactions", { query: { ...filter, cursor: page.cursor, limit: page.limit }, signal: page.signal })
}

export function transactionsQuery(filter: TransactionFilter) {
  return infiniteQueryOptions({
    queryKey: ["transactions", "list", filter],
    queryFn: ({ pageParam, signal }) => fetchTransactions(filter, { cursor: pageParam, limit: PAGE_SIZE, signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  })
}
