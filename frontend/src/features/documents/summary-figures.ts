import { count } from "@/features/documents/document-words"
import type { DocumentSummary } from "@/lib/api/types"
import { formatAgo } from "@/lib/dates"

type Figures = Pick<DocumentSummary, "counts" | "searchable_count" | "chunk_count" | "last_sync_at">

/** How much can be searched, and how much is still to come. What is read anew is searched as it was meanwhile. */
export function figuresOf({ counts, searchable_count: ready, chunk_count: passages, last_sync_at: lastSync }: Figures): string[] {
  const working = counts.pending + counts.indexing
  return [
    `${count(ready, "document")} ready`,
    count(passages, "passage"),
    ...(working === 0 ? [] : [`${working.toLocaleString("en")} on the way`]),
    ...(counts.failed === 0 ? [] : [`${counts.failed.toLocaleString("en")} failed`]),
    ...(lastSync === null ? [] : [`last synced ${formatAgo(lastSync)}`]),
  ]
}
