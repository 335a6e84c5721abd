/** An amount in minor units as a person reads it: 500 usd is $5.00. */
export function formatMoney(minor: number, currency: string): string {
  return new Intl.NumberFormat("en", { style: "currency", currency }).format(minor / 10 ** fractionDigits(currency))
}

/** The same without formatting, for a spreadsheet: 500 usd is 5.00. */
export function decimalMoney(minor: number, currency: string): string {
  const digits = fractionDigits(currency)
  return (minor / 10 ** digits).toFixed(digits)
}

/** The price of one of many: $0.033, with as many digits as it takes to tell packs apart. */
export function formatUnitPrice(minor: number, currency: string): string {
  const digits = fractionDigits(currency)
  return new Intl.NumberFormat("en", {
    style: "currency",
    currency,
    minimumFractionDigits: digits,
    maximumFractionDigits: digits + 1,
  }).format(minor / 10 ** digits)
}

function fractionDigits(currency: string): number {
  return new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions().maximumFractionDigits ?? 2
}
