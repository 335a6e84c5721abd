import { pollInterval } from "@/lib/api/billing"
import { expect, test } from "vitest"

test("a purchase is asked for often at first, then ever less, and never less than every 15 seconds", () => {
  const intervals = Array.from({ length: 30 }, (_, polls) => pollInterval(polls))
  expect(intervals.slice(0, 6)).toEqual([1000, 1000, 1000, 1000, 1000, 1000])
  expect(intervals).toEqual(intervals.toSorted((one, other) => one - other))
  expect(Math.max(...intervals)).toBe(15_000)
})
