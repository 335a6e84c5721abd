const words: Record<string, string> = {
  card_declined: "Your bank declined the card.",
  generic_decline: "Your bank declined the card.",
  do_not_honor: "Your bank declined the card.",
  call_issuer: "Your bank declined the card and asks you to call.",
  insufficient_funds: "There was not enough money on the card.",
  withdrawal_count_limit_exceeded: "The card's limit is reached.",
  card_velocity_exceeded: "The card's limit is reached.",
  expired_card: "The card has expired.",
  incorrect_cvc: "The card's security code was wrong.",
  invalid_cvc: "The card's security code was wrong.",
  incorrect_number: "The card number was wrong.",
  invalid_number: "The card number was wrong.",
  invalid_expiry_month: "The card's expiration date was wrong.",
  invalid_expiry_year: "The card's expiration date was wrong.",
  card_not_supported: "This kind of card cannot be used here.",
  currency_not_supported: "This card cannot pay in this currency.",
  authentication_required: "Your bank asked you to confirm the payment, and that did not happen.",
  payment_intent_authentication_failure: "Your bank asked you to confirm the payment, and that did not happen.",
  processing_error: "The card could not be processed just then. Trying again often helps.",
  try_again_later: "Your bank could not be reached. Trying again later often helps.",
  issuer_not_available: "Your bank could not be reached. Trying again later often helps.",
}

/**
 * Why the last attempt to pay failed, as far as the customer should read it: that a card is reported lost or stolen is
 * for its owner to learn from the bank, so those are plain declines (as Stripe advises).
 */
export function describePaymentFailure(code: string): string {
  return (Object.hasOwn(words, code) ? words[code] : undefined) ?? "The card was not accepted. Another card may work."
}
