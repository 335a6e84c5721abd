import { describeTransaction, filterWords, isTransactionType, signedTokens } from "@/features/tokens/transaction-words"
import { expect, test } from "vitest"

test.each([
  [{ type: "consumption", tokens: -1 }, "Question asked"],
  [{ type: "release", tokens: 1 }, "Returned, no answer came"],
  [{ type: "signup_bonus", tokens: 10 }, "Welcome bonus"],
  [{ type: "dispute", tokens: -5 }, "Held back for a payment dispute"],
  [{ type: "reversal", tokens: 5 }, "Given back, the payment stands"],
  [{ type: "purchase", tokens: 100 }, "Tokens bought"],
  [{ type: "refund", tokens: -40 }, "Taken back after a refund"],
  [{ type: "toString", tokens: 1 }, "Tokens received"],
  [{ type: "something_new", tokens: -2 }, "Tokens spent"],
  [{ type: "something_new", tokens: 2 }, "Tokens received"],
])("%j reads as %s", (transaction, words) => {
  expect(describeTransaction(transaction)).toBe(words)
})

test("tokens carry their sign", () => {
  expect([signedTokens(5), signedTokens(-1), signedTokens(0)]).toEqual(["+5", "−1", "0"])
})

test("every type that has words can be looked for", () => {
  expect(filterWords.every(([type]) => isTransactionType(type))).toBe(true)
  expect(isTransactionType("something_new")).toBe(false)
})
