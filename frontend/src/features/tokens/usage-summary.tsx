import { usageQuery } from "@/lib/api/billing"
import type { MonthUsage } from "@/lib/api/types"
import { useQuery } from "@tanstack/react-query"

const MONTHS_SHOWN = 12

/** The first day of the earliest month shown, UTC as the server counts. */
export function firstDayShown(now: Date = new Date()): string {
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - (MONTHS_SHOWN - 1), 1)).toISOString().slice(0, 10)
}

function monthName(month: string): string {
  return new Date(`${month}-01T00:00:00Z`).toLocaleDateString("en", { month: "short", year: "numeric", timeZone: "UTC" })
}

const columns: { label: string; of: (month: MonthUsage) => number; isAlways: boolean }[] = [
  { label: "Bought", of: (month) => month.bought, isAlways: true },
  { label: "Received", of: (month) => month.granted, isAlways: false },
  { label: "Spent", of: (month) => month.spent, isAlways: true },
  { label: "Returned", of: (month) => month.released, isAlways: true },
  { label: "Taken back", of: (month) => month.taken_back, isAlways: false },
  { label: "Expired", of: (month) => month.expired, isAlways: false },
]

/** Tokens by month. A figure beside the history: where it cannot be read, the history stands alone. */
export function UsageSummary() {
  const { data } = useQuery(usageQuery(firstDayShown()))
  if (!data || data.months.length === 0) return null
  const months = data.months.toSorted((one, other) => other.month.localeCompare(one.month))
  const shown = columns.filter((column) => column.isAlways || months.some((month) => column.of(month) !== 0))
  return (
    <details className="group mb-8 rounded-xl border border-line bg-surface">
      <summary className="cursor-pointer rounded-xl px-3 py-3 font-medium sm:px-4">By month</summary>
      <div className="overflow-x-auto px-3 pb-3 sm:px-4 scroll-quiet">
        <table className="w-full text-[0.8125rem] tabular-nums sm:text-sm">
          <caption className="sr-only">Tokens by month, counted in UTC</caption>
          <thead>
            <tr className="text-ink-faint">
              <th scope="col" className="py-2 pr-2 sm:pr-4 text-left font-normal">
                Month
              </th>
              {shown.map(({ label }) => (
                <th key={label} scope="col" className="py-2 pl-2 sm:pl-4 text-right font-normal whitespace-nowrap">
                  {label}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {months.map((month) => (
              <tr key={month.month} className="border-t border-line">
                <th scope="row" className="py-2 pr-2 sm:pr-4 text-left font-normal whitespace-nowrap">
                  {monthName(month.month)}
                </th>
                {shown.map(({ label, of }) => (
                  <td key={label} className="py-2 pl-2 sm:pl-4 text-right">
                    {of(month)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  )
}
