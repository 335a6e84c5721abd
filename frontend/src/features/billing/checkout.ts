import { renewIntent, type Intent } from "@/features/billing/intent"
import { fetchPurchase, startCheckout } from "@/lib/api/billing"
import type { Purchase } from "@/lib/api/types"
import { ApiError } from "@/lib/errors"

/** Where to go: to the payment page, or to what became of a purchase that can be paid no more. */
export type CheckoutStep = { kind: "pay"; url: string } | { kind: "over"; purchaseId: string }

const CLOSED = "purchase_closed"
/** Kept from an account or a pack of before, or from before the shop went live. */
const NOT_THIS_ONE = ["purchase_conflict", "purchase_not_found"]

/** Begins or continues the purchase; one that was closed unpaid is begun anew under another id. */
export async function openCheckout(intent: Intent): Promise<CheckoutStep> {
  try {
    return await pay(intent)
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    if (error.code === CLOSED && (await mayBePaid(intent.purchaseId))) return { kind: "over", purchaseId: intent.purchaseId }
    if (error.code !== CLOSED && !NOT_THIS_ONE.includes(error.code)) throw error
    return pay(renewIntent(intent))
  }
}

async function pay({ tier, purchaseId }: Intent): Promise<CheckoutStep> {
  const { url } = await startCheckout(tier, purchaseId)
  if (!/^https?:$/.test(new URL(url).protocol)) throw new Error("The payment page has no web address.")
  return { kind: "pay", url }
}

/** A flagged purchase was paid as well: another payment for it would make matters worse, until that one is dealt with. */
async function mayBePaid(purchaseId: string): Promise<boolean> {
  const purchase = await fetchPurchase(purchaseId)
  return purchase.status === "paid" || purchase.status === "flagged" || isUndecided(purchase)
}

/** Its payment page is over, and what came of it is not known: some ways of paying take days. */
export function isUndecided({ status, checkout_url }: Pick<Purchase, "status" | "checkout_url">): boolean {
  return status === "open" && checkout_url === null
}
