import { Button } from "@/components/ui/button"
import { DocumentFacts } from "@/features/documents/document-facts"
import { DocumentIcon } from "@/features/documents/document-icon"
import { DocumentMenu } from "@/features/documents/document-menu"
import { AudienceBadge, FaultWords } from "@/features/documents/document-status"
import { useDocumentActions } from "@/features/documents/use-document-actions"
import type { Document } from "@/lib/api/types"
import { Link } from "react-router"

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
        <DocumentFacts document={document} className="mt-0.5" />
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
