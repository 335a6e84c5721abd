import type { Tier } from "@/lib/api/types"
import { z } from "zod"

/**
 * What this tab is about to buy. It lives in the tab's storage, because the way leads over the payment page: a second
 * click, a reload and a retry continue the same purchase, which can be paid once.
 */
const KEY = "purchase"
const intentSchema = z.object({
  tier: z.enum(["tier_1", "tier_2", "tier_3"]),
  purchaseId: z.uuid(),
  /** The chat that the person came from. */
  next: z.string().nullable(),
})

export type Intent = z.infer<typeof intentSchema>

/** Where storage is blocked, it lasts as long as the page. */
let remembered: Intent | null = null

export function readIntent(): Intent | null {
  try {
    return intentSchema.safeParse(JSON.parse(sessionStorage.getItem(KEY) ?? "null")).data ?? null
  } catch {
    return remembered
  }
}

/** The purchase of a click on a pack: the one that is under way for this pack, or a new one. */
export function intendToBuy(tier: Tier, next: string | null): Intent {
  const kept = readIntent()
  const intent = { tier, purchaseId: kept?.tier === tier ? kept.purchaseId : crypto.randomUUID(), next }
  keepIntent(intent)
  return intent
}

/** The same wish after its purchase was closed. */
export function renewIntent(intent: Intent): Intent {
  const renewed = { ...intent, purchaseId: crypto.randomUUID() }
  keepIntent(renewed)
  return renewed
}

export function keepIntent(intent: Intent): void {
  remembered = intent
  try {
    sessionStorage.setItem(KEY, JSON.stringify(intent))
  } catch {
    // See `remembered`.
  }
}

/** The purchase has ended; the next click begins another one. */
export function endIntent(purchaseId: string): void {
  if (readIntent()?.purchaseId === purchaseId) clearIntent()
}

/** Called on sign-out too: the next person at this tab buys for themselves. */
export function clearIntent(): void {
  remembered = null
  try {
    sessionStorage.removeItem(KEY)
  } catch {
    // Nothing could be stored either.
  }
}
