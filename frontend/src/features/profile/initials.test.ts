import { initialsOf } from "@/features/profile/initials"
import { expect, test } from "vitest"

test.each([
  ["Test Person", "TP"],
  ["  one ", "O"],
  ["First Second Third", "FS"],
  ["(Accounts) \u2013 north", "AN"],
  ["\u{1F600} smiling", "S"],
  ["\u{10400}name", "\u{10400}"],
  ["\u{1F600} ...", "S"],
  ["", "S"],
  [null, "S"],
])("the initials of %j are %s", (name, initials) => {
  expect(initialsOf(name, "someone@example.com")).toBe(initials)
})
