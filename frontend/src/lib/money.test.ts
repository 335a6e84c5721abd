import { decimalMoney, formatMoney, formatUnitPrice } from "@/lib/money"
import { expect, test } from "vitest"

test.each([
  [500, "usd", "$5.00", "5.00"],
  [1, "usd", "$0.01", "0.01"],
  [123456, "eur", "€1,234.56", "1234.56"],
  [500, "jpy", "¥500", "500"],
])("%i %s is %s", (minor, currency, words, decimal) => {
  expect(formatMoney(minor, currency)).toBe(words)
  expect(decimalMoney(minor, currency)).toBe(decimal)
})

test.each([
  [5, "$0.05"],
  [4, "$0.04"],
  [3.33, "$0.033"],
])("%d cents a token read as %s", (minor, words) => {
  expect(formatUnitPrice(minor, "usd")).toBe(words)
})
