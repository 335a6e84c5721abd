import { Button } from "@/components/ui/button"
import { Notice } from "@/components/ui/notice"
import { Waiting } from "@/components/ui/spinner"
import { isNarrowed } from "@/features/documents/document-filter"
import { DocumentRow } from "@/features/documents/document-row"
import { documentsQuery, type DocumentFilter } from "@/lib/api/documents"
import { useInfiniteQuery } from "@tanstack/react-query"
import { FileUp, ServerCrash } from "lucide-react"
import type { ReactNode } from "react"

function Empty({ title, choose }: { title: string; choose: ReactNode }) {
  return (
    <div className="flex flex-col items-center mt-4 rounded-2xl border border-dashed border-line-strong/60 px-6 py-12 text-center">
      <span aria-hidden className="grid size-14 place-items-center rounded-full bg-accent-wash text-accent">
        <FileUp className="size-6" />
      </span>
      <h2 className="mt-5 font-serif text-xl font-medium">{title}</h2>
      <p className="mt-2 max-w-md text-pretty text-ink-soft">
        Drop files anywhere on this page, or choose them. Within moments your questions are answered from them, and each answer shows where it read
        what. Only you see what you upload.
      </p>
      <div className="mt-6">{choose}</div>
    </div>
  )
}

type DocumentListProps = { filter: DocumentFilter; choose: ReactNode }

export function DocumentList({ filter, choose }: DocumentListProps) {
  const query = useInfiniteQuery(documentsQuery(filter))
  if (query.isPending) return <Waiting label="Loading the documents" />
  if (query.isError && !query.data) {
    return (
      <Notice
        icon={ServerCrash}
        tone="danger"
        title="The documents could not be loaded"
        actions={
          <Button size="small" onClick={() => void query.refetch()}>
            Try again
          </Button>
        }
      >
        {query.error.message}
      </Notice>
    )
  }
  const documents = query.data.pages.flatMap((page) => page.items)
  if (documents.length === 0) {
    if (!isNarrowed(filter)) return <Empty title="No documents yet" choose={choose} />
    // Nothing of one's own is no failed search.
    if (!isNarrowed({ ...filter, scope: "all" }) && filter.scope === "own") return <Empty title="Nothing of yours yet" choose={choose} />
    return <p className="py-10 text-ink-soft">No document matches.</p>
  }
  return (
    <>
      {query.isError ? (
        <p role="status" className="py-2 text-sm text-warn">
          The server cannot be reached: this may be out of date.
        </p>
      ) : null}
      <ul aria-label="Documents">
        {documents.map((document) => (
          <DocumentRow key={document.id} document={document} />
        ))}
      </ul>
      {query.hasNextPage ? (
        <Button className="mt-4 w-full" disabled={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
          {query.isFetchingNextPage ? "Loading…" : "Show more"}
        </Button>
      ) : null}
    </>
  )
}
