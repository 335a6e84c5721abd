import { formatBytes } from "@/lib/bytes"
import { expect, test } from "vitest"

test.each([
  [0, "0 bytes"],
  [1, "1 byte"],
  [1023, "1023 bytes"],
  [1024, "1 KB"],
  [1536, "1.5 KB"],
  [20 * 1024 * 1024, "20 MB"],
  [1024 * 1024 - 1, "1 MB"],
  [2.25 * 1024 ** 3, "2.3 GB"],
])("%d is %s", (bytes, words) => {
  expect(formatBytes(bytes)).toBe(words)
})
