import { describeTransaction } from "@/features/tokens/transaction-words"
import type { Transaction } from "@/lib/api/types"
import { decimalMoney } from "@/lib/money"

type Cell = string | number | null

const HEADINGS = ["Time (UTC)", "What", "Tokens", "Balance after", "Price", "Currency", "Purchase", "Conversation", "Entry"]
/** Spreadsheets find UTF-8 by it. */
const BYTE_ORDER_MARK = "\uFEFF"

/** Text that a spreadsheet would take for a formula is marked as text; numbers are ours and stay numbers. */
function writeCell(cell: Cell): string {
  if (cell === null) return ""
  if (typeof cell === "number") return String(cell)
  const text = /^[=+\-@\t\r\n]/.test(cell) ? `'${cell}` : cell
  return /[",;\r\n']/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

function toRow(transaction: Transaction): Cell[] {
  // A price stands where money moved, not where its tokens came and went later.
  const isPurchase = transaction.type === "purchase" && transaction.price_minor !== null && transaction.currency !== null
  return [
    transaction.created_at,
    describeTransaction(transaction),
    transaction.tokens,
    transaction.balance_after,
    isPurchase ? Number(decimalMoney(transaction.price_minor ?? 0, transaction.currency ?? "")) : null,
    isPurchase ? (transaction.currency?.toUpperCase() ?? null) : null,
    transaction.purchase_id,
    transaction.session_id,
    transaction.id,
  ]
}

export function toCsv(transactions: readonly Transaction[]): string {
  const rows = [HEADINGS, ...transactions.map(toRow)]
  return BYTE_ORDER_MARK + rows.map((row) => row.map(writeCell).join(",") + "\r\n").join("")
}
