import { chatToReturnTo, purchasePath } from "@/lib/purchase-path"
import { expect, test } from "vitest"

test.each([
  ["/", "/purchase-tokens?next=%2F"],
  ["/c/0f8a~x-1", "/purchase-tokens?next=%2Fc%2F0f8a~x-1"],
  ["/c/0f8a?branch=12", "/purchase-tokens?next=%2Fc%2F0f8a%3Fbranch%3D12"],
  ["/token-history", "/purchase-tokens"],
])("from %s it is %s", (from, path) => {
  expect(purchasePath(from)).toBe(path)
})

test.each(["//elsewhere.example", "https://elsewhere.example", "/login", "/c/", "/c/a/../../login", "/c/a?next=/x", "", null])(
  "%s is no chat to go back to",
  (next) => {
    expect(chatToReturnTo(next)).toBeNull()
  },
)

test.each(["/", "/c/0f8a", "/c/0f8a?branch=3"])("%s is a chat to go back to", (next) => {
  expect(chatToReturnTo(next)).toBe(next)
})
