import { clearIntent, endIntent, intendToBuy, readIntent, renewIntent } from "@/features/billing/intent"
import { beforeEach, describe, expect, test } from "vitest"

describe.each(["a tab's storage", "no storage"])("with %s", (kind) => {
  beforeEach(() => {
    const values = new Map<string, string>()
    const storage = {
      getItem: (key: string) => values.get(key) ?? null,
      setItem: (key: string, value: string) => void values.set(key, value),
      removeItem: (key: string) => void values.delete(key),
    }
    Object.defineProperty(globalThis, "sessionStorage", { configurable: true, value: kind === "no storage" ? undefined : storage })
    clearIntent()
  })

  test("clicks on one pack are one purchase until it ends", () => {
    const first = intendToBuy("tier_1", "/c/a")
    expect(intendToBuy("tier_1", "/c/a").purchaseId).toBe(first.purchaseId)
    endIntent(first.purchaseId)
    expect(readIntent()).toBeNull()
    expect(intendToBuy("tier_1", null).purchaseId).not.toBe(first.purchaseId)
  })

  test("another pack is another purchase", () => {
    const first = intendToBuy("tier_1", null)
    expect(intendToBuy("tier_2", null).purchaseId).not.toBe(first.purchaseId)
  })

  test("a closed purchase is begun anew, for the same pack and chat", () => {
    const first = intendToBuy("tier_3", "/c/a")
    const renewed = renewIntent(first)
    expect(renewed).toEqual({ ...first, purchaseId: renewed.purchaseId })
    expect(renewed.purchaseId).not.toBe(first.purchaseId)
    expect(readIntent()).toEqual(renewed)
  })

  test("the end of one purchase leaves another alone", () => {
    const kept = intendToBuy("tier_1", null)
    endIntent(crypto.randomUUID())
    expect(readIntent()).toEqual(kept)
  })
})
