const CHAT = /^\/(c\/[\w~-]{1,100}(\?branch=\d{1,20})?)?$/

/** Where tokens are bought; from a chat it leads back there afterwards. */
export function purchasePath(from: string): string {
  return CHAT.test(from) ? `/purchase-tokens?next=${encodeURIComponent(from)}` : "/purchase-tokens"
}

/** The chat to go back to; null for anything that is none. */
export function chatToReturnTo(next: string | null): string | null {
  return next !== null && CHAT.test(next) ? next : null
}
