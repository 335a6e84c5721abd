const DAY_MS = 86_400_000

function startOfDay(date: Date): number {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime()
}

/** The heading a moment belongs under in a list that is sorted newest first. */
export function dayGroup(iso: string, now: Date = new Date()): string {
  const date = new Date(iso)
  // Rounded, because a day with a clock change has 23 or 25 hours.
  const daysAgo = Math.round((startOfDay(now) - startOfDay(date)) / DAY_MS)
  if (daysAgo <= 0) return "Today"
  if (daysAgo === 1) return "Yesterday"
  if (daysAgo <= 7) return "Previous 7 days"
  if (daysAgo <= 30) return "Previous 30 days"
  return date.toLocaleDateString("en", { month: "long", year: "numeric" })
}

/** Groups neighbours under `dayGroup`, keeping their order. */
export function groupByDay<Item>(
  items: readonly Item[],
  momentOf: (item: Item) => string,
  now: Date = new Date(),
): { label: string; items: Item[] }[] {
  const groups: { label: string; items: Item[] }[] = []
  for (const item of items) {
    const label = dayGroup(momentOf(item), now)
    const last = groups.at(-1)
    if (last?.label === label) last.items.push(item)
    else groups.push({ label, items: [item] })
  }
  return groups
}

export function formatMoment(iso: string): string {
  return new Date(iso).toLocaleString("en", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" })
}

const AGO_STEPS: [unit: Intl.RelativeTimeFormatUnit, seconds: number][] = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
]

/** "3 minutes ago"; "just now" below one minute and for clocks that differ. */
export function formatAgo(iso: string, now: Date = new Date()): string {
  const seconds = (now.getTime() - new Date(iso).getTime()) / 1_000
  const step = AGO_STEPS.find(([, length]) => seconds >= length)
  if (!step) return "just now"
  return new Intl.RelativeTimeFormat("en").format(-Math.floor(seconds / step[1]), step[0])
}

/** A day in full, for what is kept: 21 November 2026. */
export function formatDate(iso: string): string {
  return new Date(iso).toLocaleDateString("en", { day: "numeric", month: "long", year: "numeric" })
}

/** The moment a local day (YYYY-MM-DD) begins, `daysLater` days on; null for text that is no day. */
export function startOfLocalDay(day: string, daysLater = 0): string | null {
  const parts = /^(\d{4})-(\d{2})-(\d{2})$/.exec(day)
  if (!parts) return null
  const [year, month, date] = [Number(parts[1]), Number(parts[2]), Number(parts[3])]
  const moment = new Date(year, month - 1, date)
  // The 31st of a shorter month would become a day of the next one.
  if (moment.getMonth() !== month - 1 || moment.getDate() !== date) return null
  return new Date(year, month - 1, date + daysLater).toISOString()
}
