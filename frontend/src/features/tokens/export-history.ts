import { toCsv } from "@/features/tokens/csv"
import { fetchTransactions, type TransactionFilter } from "@/lib/api/tokens"
import type { Transaction } from "@/lib/api/types"
import { saveFile } from "@/lib/save-file"

const PAGE_SIZE = 100
const ENTRIES_MAX = 50_000

export class TooManyEntries extends Error {
  constructor() {
    super(`More than ${ENTRIES_MAX.toLocaleString("en")} entries do not fit into one file. Choose a shorter time.`)
    this.name = "TooManyEntries"
  }
}

/** Everything that matches, page by page. `onProgress` is told how many entries have come so far. */
export async function collectTransactions(
  filter: TransactionFilter,
  onProgress: (count: number) => void,
  signal: AbortSignal,
): Promise<Transaction[]> {
  const collected: Transaction[] = []
  let cursor: string | null = null
  do {
    const page: Awaited<ReturnType<typeof fetchTransactions>> = await fetchTransactions(filter, { cursor, limit: PAGE_SIZE, signal })
    collected.push(...page.items)
    if (collected.length > ENTRIES_MAX) throw new TooManyEntries()
    onProgress(collected.length)
    cursor = page.next_cursor
  } while (cursor !== null)
  return collected
}

/** Hands the entries to the browser as a file. */
export function saveCsv(transactions: readonly Transaction[], name: string): void {
  saveFile(new Blob([toCsv(transactions)], { type: "text/csv;charset=utf-8" }), name)
}
