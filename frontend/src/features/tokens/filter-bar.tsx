import { Button } from "@/components/ui/button"
import { Input } from "@/components/ui/field"
import { Select } from "@/components/ui/select"
import { ExportButton } from "@/features/tokens/export-button"
import { isBackwards, isNarrowed, toTransactionFilter, type HistoryFilter } from "@/features/tokens/history-filter"
import { filterWords } from "@/features/tokens/transaction-words"
import { useId } from "react"

type FilterBarProps = { filter: HistoryFilter; onChange: (filter: HistoryFilter) => void }

export function FilterBar({ filter, onChange }: FilterBarProps) {
  const id = useId()
  const backwards = isBackwards(filter)
  const day = (name: "from" | "to", label: string) => (
    <div>
      <label htmlFor={`${id}-${name}`} className="mb-1 block text-sm text-ink-faint">
        {label}
      </label>
      <Input
        id={`${id}-${name}`}
        type="date"
        className="h-9 px-2.5 text-sm"
        value={filter[name]}
        aria-invalid={backwards ? true : undefined}
        aria-describedby={backwards ? `${id}-error` : undefined}
        onChange={(event) => onChange({ ...filter, [name]: event.target.value })}
      />
    </div>
  )
  return (
    <search aria-label="Narrow the history" className="mb-8 block">
      <div className="grid grid-cols-2 items-end gap-3 sm:grid-cols-[1fr_9.5rem_9.5rem]">
        <div className="col-span-2 sm:col-span-1">
          <label htmlFor={`${id}-type`} className="mb-1 block text-sm text-ink-faint">
            Show
          </label>
          <Select id={`${id}-type`} value={filter.type} onChange={(event) => onChange({ ...filter, type: event.target.value })}>
            <option value="">Everything</option>
            {filterWords.map(([type, words]) => (
              <option key={type} value={type}>
                {words}
              </option>
            ))}
          </Select>
        </div>
        {day("from", "From")}
        {day("to", "To")}
      </div>
      {backwards ? (
        <p id={`${id}-error`} role="alert" className="mt-2 text-sm text-danger">
          The first day is after the last one.
        </p>
      ) : null}
      <div className="mt-3 flex flex-wrap items-start gap-2">
        <ExportButton filter={toTransactionFilter(filter)} isDisabled={backwards} />
        {isNarrowed(filter) ? (
          <Button size="small" look="quiet" className="h-9" onClick={() => onChange({ type: "", from: "", to: "" })}>
            Show everything
          </Button>
        ) : null}
      </div>
    </search>
  )
}
