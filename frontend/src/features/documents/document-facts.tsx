import { StatusLabel } from "@/features/documents/document-status"
import { count, kindOf, sourceWords } from "@/features/documents/document-words"
import type { Document } from "@/lib/api/types"
import { formatBytes } from "@/lib/bytes"
import { cn } from "@/lib/cn"
import { formatMoment } from "@/lib/dates"
import type { ReactNode } from "react"

/** What is known of a document, in words; what is not known is left out. */
function factsOf(document: Document): ReactNode[] {
  const { size_bytes: size, page_count: pages, chunk_count: passages, indexed_at: indexedAt } = document
  const kind = kindOf(document)
  return [
    <StatusLabel key="status" status={document.status} />,
    ...(kind === "" ? [] : [kind]),
    ...(size === null ? [] : [formatBytes(size)]),
    ...(pages === null || pages < 1 ? [] : [count(pages, "page")]),
    ...(passages < 1 ? [] : [count(passages, "passage")]),
    sourceWords[document.source],
    ...(indexedAt === null
      ? []
      : [
          <time key="when" dateTime={indexedAt} title="When it was read last">
            {formatMoment(indexedAt)}
          </time>,
        ]),
  ]
}

/** One line of facts with dots between them, and none where the line breaks. */
export function DocumentFacts({ document, className }: { document: Document; className?: string }) {
  return (
    <div className={cn("overflow-hidden text-sm text-ink-faint tabular-nums", className)}>
      <p className="-ml-4.5 flex flex-wrap">
        {factsOf(document).map((fact, index) => (
          <span key={index} className="relative pl-4.5 whitespace-nowrap before:absolute before:left-1.5 before:content-['·']">
            {fact}
          </span>
        ))}
      </p>
    </div>
  )
}
