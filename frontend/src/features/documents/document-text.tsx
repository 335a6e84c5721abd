import { Markdown } from "@/components/markdown/markdown"
import { Button } from "@/components/ui/button"
import { Notice } from "@/components/ui/notice"
import { Waiting } from "@/components/ui/spinner"
import { isPlainText, noTextWords } from "@/features/documents/document-words"
import { contentQuery } from "@/lib/api/documents"
import type { Document } from "@/lib/api/types"
import { keepPreviousData, useQuery } from "@tanstack/react-query"
import { ChevronLeft, ChevronRight, ServerCrash } from "lucide-react"

type DocumentTextProps = { document: Document; page: number; onPage: (page: number) => void }

function Pager({ page, pages, onPage }: { page: number; pages: number; onPage: (page: number) => void }) {
  if (pages < 2) return null
  return (
    <nav aria-label="Parts of the text" className="flex items-center justify-between gap-3 py-4 text-sm text-ink-soft">
      <Button size="small" disabled={page <= 1} onClick={() => onPage(page - 1)}>
        <ChevronLeft aria-hidden /> Back
      </Button>
      <span className="tabular-nums" aria-live="polite">
        Part {page} of {pages}
      </span>
      <Button size="small" disabled={page >= pages} onClick={() => onPage(page + 1)}>
        Next <ChevronRight aria-hidden />
      </Button>
    </nav>
  )
}

/** The text that was read out of a document, a part at a time. */
export function DocumentText({ document, page, onPage }: DocumentTextProps) {
  const query = useQuery({ ...contentQuery(document.id, page), placeholderData: keepPreviousData })
  if (query.isPending) return <Waiting label="Loading the text" />
  if (query.isError) {
    return (
      <Notice
        icon={ServerCrash}
        tone="danger"
        title="The text could not be loaded"
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
  const { text, pages, page: shown } = query.data
  if (text.trim() === "") {
    return <p className="py-6 text-ink-soft">{noTextWords(document.status)}</p>
  }
  return (
    <>
      <Pager page={shown} pages={pages} onPage={onPage} />
      <div className={query.isPlaceholderData ? "opacity-50" : ""} aria-busy={query.isPlaceholderData}>
        {isPlainText(document.mime_type) ? (
          <p className="text-base leading-relaxed break-words whitespace-pre-wrap" dir="auto">
            {text}
          </p>
        ) : (
          <Markdown text={text} />
        )}
      </div>
      <Pager page={shown} pages={pages} onPage={onPage} />
    </>
  )
}
