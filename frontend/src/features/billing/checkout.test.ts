import { isUndecided } from "@/features/billing/checkout"
import { expect, test } from "vitest"

test.each([
  ["its page is over and no news came: it may be paid", "open", null, true],
  ["its page is there", "open", "https://pay.example.com/p", false],
  ["no page was made yet", "created", null, false],
  ["paid", "paid", null, false],
  ["its page ran out unpaid", "expired", null, false],
  ["the money did not come", "failed", null, false],
] as const)("%s", (_, status, checkout_url, isOpen) => {
  expect(isUndecided({ status, checkout_url })).toBe(isOpen)
})
