import { loginPath, safeNext } from "@/features/auth/redirect"
import { expect, test } from "vitest"

test.each([
  ["/c/1?branch=2", "/c/1?branch=2"],
  ["/token-history", "/token-history"],
  [null, "/"],
  ["https://evil.example", "/"],
  ["//evil.example", "/"],
  ["/\\evil.example", "/"],
  ["/\t/evil.example", "/"],
  ["/.//evil.example", "/"],
  ["javascript:alert(1)", "/"],
  ["/login?next=/c/1", "/"],
])("after signing in, next=%j leads to %s", (next, target) => {
  expect(safeNext(next)).toBe(target)
})

test("the way to sign-in remembers where one was and why", () => {
  expect(loginPath("/", false)).toBe("/login")
  expect(loginPath("/c/1", true)).toBe("/login?next=%2Fc%2F1&expired=1")
})
