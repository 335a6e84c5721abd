import type { Transaction, TransactionType } from "@/lib/api/types"

const words: Record<TransactionType, string> = {
  opening: "Balance carried over",
  signup_bonus: "Welcome bonus",
  purchase: "Tokens bought",
  consumption: "Question asked",
  release: "Returned, no answer came",
  expiry: "Expired",
  refund: "Taken back after a refund",
  dispute: "Held back for a payment dispute",
  reversal: "Given back, the payment stands",
  adjustment: "Corrected by support",
  grant: "Tokens received",
}

/** What one can look for, in the order of how likely that is. */
export const filterWords: [TransactionType, string][] = [
  ["consumption", "Questions asked"],
  ["purchase", "Tokens bought"],
  ["release", "Returned, no answer came"],
  ["refund", "Refunds"],
  ["dispute", "Held back for a dispute"],
  ["reversal", "Given back, the payment stands"],
  ["expiry", "Expired"],
  ["signup_bonus", "Welcome bonus"],
  ["grant", "Tokens received"],
  ["adjustment", "Corrected by support"],
  ["opening", "Balance carried over"],
]

export function isTransactionType(type: string | null): type is TransactionType {
  return type !== null && Object.hasOwn(words, type)
}

/** A ledger entry as a customer would say it. */
export function describeTransaction({ type, tokens }: Pick<Transaction, "type" | "tokens">): string {
  if (isTransactionType(type)) return words[type]
  return tokens < 0 ? "Tokens spent" : "Tokens received"
}

export function signedTokens(tokens: number): string {
  if (tokens === 0) return "0"
  return tokens > 0 ? `+${tokens}` : `−${Math.abs(tokens)}`
}
