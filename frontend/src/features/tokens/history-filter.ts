import { isTransactionType } from "@/features/tokens/transaction-words"
import type { TransactionFilter } from "@/lib/api/tokens"
import { startOfLocalDay } from "@/lib/dates"

/** What the address says: days as the date fields write them, YYYY-MM-DD; empty for open ends. */
export type HistoryFilter = { type: string; from: string; to: string }

export function readFilter(query: URLSearchParams): HistoryFilter {
  const type = query.get("type")
  const day = (name: string) => {
    const value = query.get(name) ?? ""
    return startOfLocalDay(value) === null ? "" : value
  }
  return { type: isTransactionType(type) ? type : "", from: day("from"), to: day("to") }
}

export function writeFilter(filter: HistoryFilter): Record<string, string> {
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== ""))
}

export function isNarrowed(filter: HistoryFilter): boolean {
  return Object.values(filter).some((value) => value !== "")
}

/** Both days included, in the time zone of this browser. */
export function toTransactionFilter(filter: HistoryFilter): TransactionFilter {
  return {
    type: isTransactionType(filter.type) ? filter.type : null,
    from: startOfLocalDay(filter.from),
    to: startOfLocalDay(filter.to, 1),
  }
}

export function isBackwards(filter: HistoryFilter): boolean {
  return filter.from !== "" && filter.to !== "" && filter.from > filter.to
}
