import type { Package } from "@/lib/api/types"

/** How much less a token costs in this pack than in the dearest one, in whole percent. */
export function savingPercent(pack: Package, packs: readonly Package[]): number {
  const dearest = Math.max(...packs.map((each) => each.price_minor / each.tokens))
  return Math.round((1 - pack.price_minor / pack.tokens / dearest) * 100)
}
