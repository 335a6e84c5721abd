import { Button } from "@/components/ui/button"
import { Choice } from "@/components/ui/choice"
import { Input } from "@/components/ui/field"
import { Select } from "@/components/ui/select"
import { QUERY_CHARACTERS_MAX, isNarrowed } from "@/features/documents/document-filter"
import { statusWords } from "@/features/documents/document-words"
import type { DocumentFilter, DocumentScope, DocumentStatus } from "@/lib/api/documents"
import type { DocumentSummary } from "@/lib/api/types"
import { Search } from "lucide-react"
import { useEffect, useEffectEvent, useState } from "react"

const TYPING_PAUSE_MS = 300

type FilterBarProps = {
  filter: DocumentFilter
  counts: DocumentSummary["counts"] | undefined
  onChange: (filter: DocumentFilter) => void
}

const scopes: { value: DocumentScope; label: string }[] = [
  { value: "all", label: "All" },
  { value: "own", label: "Mine" },
  { value: "shared", label: "Shared" },
]
const statuses = Object.entries(statusWords) as [DocumentStatus, string][]

/** Searches once the typing pauses. The address may change under it: going back, or "Show all". */
function SearchField({ value, onSearch }: { value: string; onSearch: (q: string) => void }) {
  const [typed, setTyped] = useState(value)
  const [known, setKnown] = useState(value)
  if (value !== known) {
    setKnown(value)
    if (value !== typed.trim()) setTyped(value)
  }
  const search = useEffectEvent(() => {
    if (typed.trim() !== value) onSearch(typed.trim())
  })
  useEffect(() => {
    const timer = setTimeout(() => search(), TYPING_PAUSE_MS)
    return () => clearTimeout(timer)
  }, [typed])
  return (
    <div className="relative min-w-0 flex-1 basis-48">
      <Search aria-hidden className="pointer-events-none absolute top-2.5 left-2.5 size-4 text-ink-faint" />
      <Input
        type="search"
        aria-label="Search by name"
        placeholder="Search by name"
        maxLength={QUERY_CHARACTERS_MAX}
        className="h-9 pr-2.5 pl-8.5 text-sm"
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
      />
    </div>
  )
}

export function DocumentFilterBar({ filter, counts, onChange }: FilterBarProps) {
  return (
    <search aria-label="Narrow the list" className="mb-2 flex flex-wrap items-center gap-2.5">
      <SearchField value={filter.q} onSearch={(q) => onChange({ ...filter, q })} />
      <Choice className="max-sm:flex-1" label="Whose documents" value={filter.scope} options={scopes} onChange={(scope) => onChange({ ...filter, scope })} />
      <div className="max-sm:flex-1 sm:w-44">
        <Select
          aria-label="State"
          value={filter.status ?? ""}
          onChange={(event) => onChange({ ...filter, status: event.target.value === "" ? null : (event.target.value as DocumentStatus) })}
        >
          <option value="">Any state</option>
          {statuses.map(([status, words]) => (
            <option key={status} value={status}>
              {words}
              {counts && counts[status] > 0 ? ` (${counts[status].toLocaleString("en")})` : ""}
            </option>
          ))}
        </Select>
      </div>
      {isNarrowed(filter) ? (
        <Button size="small" look="quiet" className="h-9" onClick={() => onChange({ scope: "all", status: null, q: "" })}>
          Show all
        </Button>
      ) : null}
    </search>
  )
}
