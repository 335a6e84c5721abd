import { Button } from "@/components/ui/button"
import { Notice } from "@/components/ui/notice"
import { Waiting } from "@/components/ui/spinner"
import { DocumentFacts } from "@/features/documents/document-facts"
import { DocumentMenu } from "@/features/documents/document-menu"
import { AudienceBadge, FaultWords } from "@/features/documents/document-status"
import { DocumentText } from "@/features/documents/document-text"
import { documentQuery } from "@/lib/api/documents"
import type { Document } from "@/lib/api/types"
import { ApiError } from "@/lib/errors"
import { productName } from "@/lib/product"
import { useQuery } from "@tanstack/react-query"
import { ArrowLeft, FileX, ServerCrash } from "lucide-react"
import { useEffect, useRef, type ReactNode } from "react"
import { Link, useNavigate, useParams, useSearchParams } from "react-router"

function Missing() {
  return (
    <Notice
      icon={FileX}
      title="There is no such document"
      actions={
        <Button size="small" asChild>
          <Link to="/documents">All documents</Link>
        </Button>
      }
    >
      It may have been deleted, or it is private to somebody else.
    </Notice>
  )
}

function Heading({ document, onDeleted }: { document: Document; onDeleted: () => void }) {
  return (
    <header className="mb-6 border-b border-line pb-5">
      <div className="flex items-start gap-3">
        <h1 className="min-w-0 flex-1 font-serif text-2xl leading-snug font-medium tracking-tight break-words sm:text-3xl" dir="auto">
          {document.title}
        </h1>
        <DocumentMenu document={document} onDeleted={onDeleted} />
      </div>
      <div className="mt-2.5 flex flex-wrap items-center gap-x-2.5 gap-y-1">
        <AudienceBadge document={document} />
        <DocumentFacts document={document} />
      </div>
      <FaultWords document={document} className="mt-2" />
    </header>
  )
}

function useDocumentTitle(title: string | undefined): void {
  useEffect(() => {
    document.title = `${title ?? "Document"} – ${productName}`
  }, [title])
}

/** One document: what is known of it, and the text that answers are made from. */
export function DocumentReader() {
  const documentId = useParams().documentId ?? ""
  const [query, setQuery] = useSearchParams()
  const navigate = useNavigate()
  const scroller = useRef<HTMLDivElement>(null)
  const { data, error, isPending, refetch } = useQuery(documentQuery(documentId))
  const page = Math.max(1, Number.parseInt(query.get("part") ?? "1", 10) || 1)
  useDocumentTitle(data?.title)

  const turnTo = (next: number) => {
    setQuery(next === 1 ? {} : { part: String(next) })
    scroller.current?.scrollTo({ top: 0 })
  }
  const content = (): ReactNode => {
    if (isPending) return <Waiting label="Loading the document" />
    if (data) {
      return (
        <article aria-label={data.title}>
          <Heading document={data} onDeleted={() => void navigate("/documents", { replace: true })} />
          <DocumentText document={data} page={page} onPage={turnTo} />
        </article>
      )
    }
    if (error instanceof ApiError && (error.status === 404 || error.status === 422)) return <Missing />
    return (
      <Notice
        icon={ServerCrash}
        tone="danger"
        title="The document could not be loaded"
        actions={
          <Button size="small" onClick={() => void refetch()}>
            Try again
          </Button>
        }
      >
        {error.message}
      </Notice>
    )
  }
  return (
    <div ref={scroller} className="min-h-0 flex-1 overflow-y-auto scroll-quiet">
      <div className="mx-auto max-w-3xl px-5 py-6 sm:py-8">
        <Button look="quiet" size="small" className="mb-4 -ml-3" asChild>
          <Link to="/documents">
            <ArrowLeft aria-hidden /> All documents
          </Link>
        </Button>
        {content()}
      </div>
    </div>
  )
}
