const UNITS = ["KB", "MB", "GB", "TB"]

/** 1536 → "1.5 KB"; decimals only where they tell something. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} ${bytes === 1 ? "byte" : "bytes"}`
  let value = bytes
  let unit = -1
  // What would be rounded to 1,024 of a unit is 1 of the next.
  while (value >= 1023.5 && unit < UNITS.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 1 : 0 })} ${UNITS[unit] ?? ""}`
}
