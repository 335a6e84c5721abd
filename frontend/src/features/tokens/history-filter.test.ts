import { isBackwards, isNarrowed, readFilter, toTransactionFilter, writeFilter } from "@/features/tokens/history-filter"
import { expect, test } from "vitest"

test("an address and a filter say the same", () => {
  const filter = readFilter(new URLSearchParams("type=purchase&from=2026-02-01&to=2026-02-28"))
  expect(filter).toEqual({ type: "purchase", from: "2026-02-01", to: "2026-02-28" })
  expect(new URLSearchParams(writeFilter(filter)).toString()).toBe("type=purchase&from=2026-02-01&to=2026-02-28")
})

test("what makes no sense in an address narrows nothing", () => {
  const filter = readFilter(new URLSearchParams("type=__proto__&from=2026-02-31&to=tomorrow"))
  expect(isNarrowed(filter)).toBe(false)
  expect(toTransactionFilter(filter)).toEqual({ type: null, from: null, to: null })
})

test("both days are included", () => {
  const { from, to } = toTransactionFilter({ type: "", from: "2026-02-28", to: "2026-02-28" })
  expect([from, to]).toEqual([new Date(2026, 1, 28).toISOString(), new Date(2026, 2, 1).toISOString()])
})

test.each([
  ["2026-02-02", "2026-02-01", true],
  ["2026-02-01", "2026-02-01", false],
  ["2026-02-01", "", false],
])("from %s to '%s' is backwards: %s", (from, to, expected) => {
  expect(isBackwards({ type: "", from, to })).toBe(expected)
})
