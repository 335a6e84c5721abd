import { useToast } from "@/components/ui/toast"
import { ChooseFiles } from "@/features/documents/choose-files"
import { readFilter, writeFilter } from "@/features/documents/document-filter"
import { DocumentFilterBar } from "@/features/documents/document-filter-bar"
import { DocumentList } from "@/features/documents/document-list"
import { DropArea } from "@/features/documents/drop-area"
import { Pipelines } from "@/features/documents/pipelines"
import { SummaryLine } from "@/features/documents/summary-line"
import { UploadList } from "@/features/documents/upload-list"
import { FILES_AT_ONCE_MAX } from "@/features/documents/upload-queue"
import { uploads } from "@/features/documents/upload-store"
import { documentSummaryQuery, documentsQuery, type DocumentFilter } from "@/lib/api/documents"
import type { DocumentSummary } from "@/lib/api/types"
import { useQuery, useQueryClient } from "@tanstack/react-query"
import { useEffect, useEffectEvent, useState } from "react"
import { useSearchParams } from "react-router"

/** Whatever the figures tell of happened in the lists too: a sync finds documents that no list shows yet. */
function useListsFollowing(summary: DocumentSummary | undefined): void {
  const client = useQueryClient()
  const state = summary && JSON.stringify([summary.counts, summary.chunk_count])
  const refresh = useEffectEvent(() => void client.invalidateQueries({ queryKey: documentsQuery({ scope: "all", status: null, q: "" }).queryKey.slice(0, 2) }))
  const [first, setFirst] = useState(state)
  if (first === undefined && state !== undefined) setFirst(state)
  useEffect(() => {
    if (state !== undefined && state !== first) refresh()
  }, [state, first])
}

export function DocumentsPage({ isAdmin }: { isAdmin: boolean }) {
  const [query, setQuery] = useSearchParams()
  const filter = readFilter(query)
  const { data: summary } = useQuery(documentSummaryQuery)
  const [isShared, setIsShared] = useState(false)
  const toast = useToast()
  useListsFollowing(summary)

  const add = (files: File[], hasFolders = false) => {
    if (hasFolders) toast("Folders cannot be uploaded. Choose the files in them.")
    if (files.length > FILES_AT_ONCE_MAX) toast(`Only the first ${FILES_AT_ONCE_MAX} files were taken. Add the others when these are done.`)
    uploads.add(files, summary ?? null, isAdmin && isShared)
  }
  const narrow = (changed: DocumentFilter) => setQuery(writeFilter(changed), { replace: true })
  const choose = <ChooseFiles extensions={summary?.limits.file_extensions ?? []} onFiles={add} />

  return (
    <div className="min-h-0 flex-1 overflow-y-auto scroll-quiet">
      <DropArea isShared={isAdmin && isShared} onFiles={add} />
      <div className="mx-auto max-w-3xl px-5 py-8 sm:py-10">
        <header className="mb-5 flex flex-wrap items-end justify-between gap-4">
          <div>
            <h1 className="font-serif text-3xl font-medium tracking-tight">Documents</h1>
            <p className="mt-1.5 text-ink-soft">What your questions are answered from.</p>
          </div>
          <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
            {isAdmin ? (
              <label className="flex items-center gap-2 text-sm text-ink-soft">
                <input type="checkbox" className="size-4 accent-accent" checked={isShared} onChange={(event) => setIsShared(event.target.checked)} />
                Share with everyone
              </label>
            ) : null}
            {choose}
          </div>
        </header>
        {summary ? <SummaryLine summary={summary} /> : null}
        <UploadList />
        <Pipelines pipelines={summary?.pipelines ?? []} />
        <DocumentFilterBar filter={filter} counts={summary?.counts} onChange={narrow} />
        <DocumentList filter={filter} choose={choose} />
      </div>
    </div>
  )
}
