import type { Transaction } from "@/lib/api/types"

const words: Record<string, string> = {
  opening: "Balance carried over",
  signup_bonus: "Welcome bonus",
  purchase: "Tokens bought",
  consumption: "Question asked",
  release: "Returned, no answer came",
  expiry: "Expired",
  refund: "Taken back after a refund",
  dispute: "Held back for a payment dispute",
  adjustment: "Corrected by support",
  grant: "Tokens received",
}

/** A ledger entry as a customer would say it. */
export function describeTransaction({ type, tokens }: Pick<Transaction, "type" | "tokens">): string {
  if (type === "dispute" && tokens > 0) return "Given back after a payment dispute"
  return words[type] ?? (tokens < 0 ? "Tokens spent" : "Tokens received")
}

export function signedTokens(tokens: number): string {
  if (tokens === 0) return "0"
  return tokens > 0 ? `+${tokens}` : `−${Math.abs(tokens)}`
}
