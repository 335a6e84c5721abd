import { Button } from "@/components/ui/button"
import { DocumentIcon } from "@/features/documents/document-icon"
import { DocumentMenu } from "@/features/documents/document-menu"
import { AudienceBadge, FaultWords, StatusLabel } from "@/features/documents/document-status"
import { count, kindOf, sourceWords } from "@/features/documents/document-words"
import { useDocumentActions } from "@/features/documents/use-document-actions"
import type { Document } from "@/lib/api/types"
import { formatBytes } from "@/lib/bytes"
import { formatMoment } from "@/lib/dates"
import { Link } from "react-router"

/** What is known of a document, in words; what is not known is left out. */
export function factsOf(document: Document): string[] {
  const { size_bytes: size, page_count: pages, chunk_count: passages } = document
  const kind = kindOf(document)
  return [
    ...(kind === "" ? [] : [kind]),
    ...(size === null ? [] : [formatBytes(size)]),
    ...(pages === null || pages < 1 ? [] : [count(pages, "page")]),
    ...(passages < 1 ? [] : [count(passages, "passage")]),
    sourceWords[document.source],
  ]
}

export function WhenIndexed({ document }: { document: Document }) {
  if (document.indexed_at === null) return null
  return (
    <time dateTime={document.indexed_at} title="When it was read last">
      {formatMoment(document.indexed_at)}
    </time>
  )
}

export function DocumentRow({ document }: { document: Document }) {
  const { retry } = useDocumentActions()
  return (
    <li className="flex items-start gap-3 border-b border-line py-3.5 last:border-b-0 sm:gap-4">
      <DocumentIcon document={document} />
      <div className="min-w-0 flex-1">
        <div className="flex min-w-0 items-center gap-2">
          <Link
            to={`/documents/${encodeURIComponent(document.id)}`}
            dir="auto"
            className="min-w-0 truncate rounded font-medium decoration-line-strong/50 underline-offset-4 hover:underline"
          >
            {document.title}
          </Link>
          <AudienceBadge document={document} />
        </div>
        <p className="mt-0.5 flex flex-wrap items-center gap-x-2 text-sm text-ink-faint tabular-nums">
          <StatusLabel status={document.status} />
          {factsOf(document).map((fact) => (
            <span key={fact} className="whitespace-nowrap before:mr-2 before:content-['·']">
              {fact}
            </span>
          ))}
          {document.indexed_at === null ? null : (
            <span className="whitespace-nowrap before:mr-2 before:content-['·']">
              <WhenIndexed document={document} />
            </span>
          )}
        </p>
        <FaultWords document={document} className="mt-1.5" />
        {document.status === "failed" && document.can_retry ? (
          <Button size="small" className="mt-2" disabled={retry.isPending} onClick={() => retry.mutate(document)}>
            Try again
          </Button>
        ) : null}
        {retry.error ? (
          <p role="alert" className="mt-1.5 text-sm text-danger">
            {retry.error.message}
          </p>
        ) : null}
      </div>
      <DocumentMenu document={document} />
    </li>
  )
}
