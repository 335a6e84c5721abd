import { describeTransaction, signedTokens } from "@/features/tokens/transaction-words"
import { expect, test } from "vitest"

test.each([
  [{ type: "consumption", tokens: -1 }, "Question asked"],
  [{ type: "release", tokens: 1 }, "Returned, no answer came"],
  [{ type: "signup_bonus", tokens: 10 }, "Welcome bonus"],
  [{ type: "dispute", tokens: -5 }, "Held back for a payment dispute"],
  [{ type: "dispute", tokens: 5 }, "Given back after a payment dispute"],
  [{ type: "something_new", tokens: -2 }, "Tokens spent"],
  [{ type: "something_new", tokens: 2 }, "Tokens received"],
])("%j reads as %s", (transaction, words) => {
  expect(describeTransaction(transaction)).toBe(words)
})

test("tokens carry their sign", () => {
  expect([signedTokens(5), signedTokens(-1), signedTokens(0)]).toEqual(["+5", "−1", "0"])
})
