import { webAddress } from "@/lib/addresses"
import { expect, test } from "vitest"

test.each([
  ["https://example.com/a b", "https://example.com/a%20b"],
  ["http://localhost:8082/x", "http://localhost:8082/x"],
  ["javascript:alert(1)", null],
  [" JavaScript:alert(1)", null],
  ["data:text/html,x", null],
  ["file:///etc/passwd", null],
  ["/relative", null],
  ["", null],
  [null, null],
])("webAddress(%j) is %j", (address, safe) => {
  expect(webAddress(address)).toBe(safe)
})
