import { dayGroup, formatAgo, groupByDay } from "@/lib/dates"
import { describe, expect, test } from "vitest"

const now = new Date(2026, 2, 15, 0, 30)
const at = (...parts: [number, number, number, number?, number?]) => new Date(...parts).toISOString()

describe("dayGroup", () => {
  test.each([
    [at(2026, 2, 15, 0, 5), "Today"],
    [at(2026, 2, 14, 23, 59), "Yesterday"],
    [at(2026, 2, 13, 23, 59), "Previous 7 days"],
    [at(2026, 2, 8, 12), "Previous 7 days"],
    [at(2026, 2, 7, 12), "Previous 30 days"],
    [at(2026, 1, 13, 12), "Previous 30 days"],
    [at(2026, 1, 12, 12), "February 2026"],
    [at(2025, 11, 31, 12), "December 2025"],
  ])("%s stands under %s", (moment, label) => {
    expect(dayGroup(moment, now)).toBe(label)
  })

  test("a clock slightly ahead of ours is still today", () => {
    expect(dayGroup(at(2026, 2, 15, 0, 31), now)).toBe("Today")
  })
})

test("groupByDay keeps the order and joins neighbours", () => {
  const moments = [at(2026, 2, 15, 0, 20), at(2026, 2, 15, 0, 10), at(2026, 2, 14, 9)]
  expect(groupByDay(moments, (moment) => moment, now)).toEqual([
    { label: "Today", items: moments.slice(0, 2) },
    { label: "Yesterday", items: moments.slice(2) },
  ])
})

test.each([
  ["2026-03-10T12:00:00Z", "just now"],
  ["2026-03-10T12:00:30Z", "just now"],
  ["2026-03-10T11:58:10Z", "1 minute ago"],
  ["2026-03-10T09:00:00Z", "3 hours ago"],
  ["2026-03-08T11:00:00Z", "2 days ago"],
])("%s is %s", (iso, words) => {
  expect(formatAgo(iso, new Date("2026-03-10T12:00:00Z"))).toBe(words)
})
