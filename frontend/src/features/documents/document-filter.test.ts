import { isNarrowed, readFilter, writeFilter } from "@/features/documents/document-filter"
import { expect, test } from "vitest"

const everything = { scope: "all", status: null, q: "" } as const

test("an address is read and written alike", () => {
  const filter = { scope: "own", status: "failed", q: "hand book" } as const
  expect(readFilter(new URLSearchParams(writeFilter(filter)))).toEqual(filter)
  expect(writeFilter(everything)).toEqual({})
})

test("what an address cannot mean counts as nothing", () => {
  expect(readFilter(new URLSearchParams("scope=everyone&status=toString&other=1"))).toEqual(everything)
  expect(readFilter(new URLSearchParams({ q: "x".repeat(500) })).q).toHaveLength(200)
})

test("blanks search for nothing", () => {
  expect(isNarrowed({ ...everything, q: "  " })).toBe(false)
  expect(isNarrowed({ ...everything, scope: "shared" })).toBe(true)
})
