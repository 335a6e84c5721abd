import { describePaymentFailure } from "@/features/billing/failure-words"
import { expect, test } from "vitest"

test.each([
  ["generic_decline", "Your bank declined the card."],
  ["insufficient_funds", "There was not enough money on the card."],
  ["authentication_required", "Your bank asked you to confirm the payment, and that did not happen."],
])("%s reads as: %s", (code, words) => {
  expect(describePaymentFailure(code)).toBe(words)
})

test.each(["stolen_card", "lost_card", "fraudulent", "toString", ""])("'%s' tells no more than that another card may work", (code) => {
  expect(describePaymentFailure(code)).toBe("The card was not accepted. Another card may work.")
})
