import { Markdown } from "@/components/markdown/markdown"
import { Button } from "@/components/ui/button"
import { Notice } from "@/components/ui/notice"
import { Waiting } from "@/components/ui/spinner"
import { beginsAsCited, type Citation } from "@/features/chat/citations"
import { contentQuery, passageQuery } from "@/lib/api/documents"
import { ApiError } from "@/lib/errors"
import { useQuery } from "@tanstack/react-query"
import { FileClock, ServerCrash } from "lucide-react"
import { useEffect, useRef } from "react"

/** As a share of the window's height. */
const BEGINS_IN_SIGHT = 0.65

/** Text around the passage: there to place it, so it stands back. */
function Around({ text, label }: { text: string; label: string }) {
  if (text.trim() === "") return null
  return (
    <div role="group" aria-label={label} className="passage px-4 text-ink-faint">
      <Markdown text={text} />
    </div>
  )
}

function Quoted({ text }: { text: string }) {
  const shown = useRef<HTMLQuoteElement>(null)
  useEffect(() => {
    const passage = shown.current
    // Below a long context the passage itself is what is looked for; where it begins in sight, the title stays too.
    if (passage && passage.getBoundingClientRect().top > innerHeight * BEGINS_IN_SIGHT) passage.scrollIntoView({ block: "start" })
  }, [])
  return (
    <blockquote ref={shown} aria-label="The passage" className="passage scroll-m-4 rounded-lg border-l-[3px] border-accent bg-accent-wash/60 px-4 py-3">
      <Markdown text={text} />
    </blockquote>
  )
}

function StoredExcerpt({ excerpt }: { excerpt: string | null }) {
  return (
    <div className="mt-5 space-y-4">
      <Notice icon={FileClock} title={excerpt === null ? "This passage is no longer there" : "The document has changed since"}>
        {excerpt === null
          ? "The document was changed or removed since this answer was written."
          : "It was changed or removed after this answer was written. This is the beginning of the passage as it was read then."}
      </Notice>
      {excerpt === null ? null : <Quoted text={excerpt} />}
    </div>
  )
}

function Failed({ error, excerpt, onRetry }: { error: Error; excerpt: string | null; onRetry: () => void }) {
  if (error instanceof ApiError && (error.status === 404 || error.status === 422)) return <StoredExcerpt excerpt={excerpt} />
  return (
    <div className="mt-5 space-y-4">
      <Notice
        icon={ServerCrash}
        tone="danger"
        title="The passage could not be loaded"
        actions={
          <Button size="small" onClick={onRetry}>
            Try again
          </Button>
        }
      >
        {error.message}
      </Notice>
      {excerpt === null ? null : <Quoted text={excerpt} />}
    </div>
  )
}

function LivePassage({ citation, documentId }: { citation: Citation; documentId: string }) {
  const { data, error, isPending, refetch } = useQuery(passageQuery(documentId, citation))
  if (isPending) return <Waiting label="Loading the passage" />
  if (data) {
    return (
      <div className="mt-5 space-y-3">
        <Around text={data.before} label="Before the passage" />
        <Quoted text={data.content} />
        <Around text={data.after} label="After the passage" />
      </div>
    )
  }
  return <Failed error={error} excerpt={citation.excerpt} onRetry={() => void refetch()} />
}

/** A whole part of the text, as long as it begins as it was read. */
function LivePart({ citation: { excerpt }, documentId, part }: { citation: Citation; documentId: string; part: number }) {
  const { data, error, isPending, refetch } = useQuery(contentQuery(documentId, part))
  if (isPending) return <Waiting label="Loading the text" />
  if (!data) return <Failed error={error} excerpt={excerpt} onRetry={() => void refetch()} />
  if (data.page !== part || !beginsAsCited(data.text, excerpt)) return <StoredExcerpt excerpt={excerpt} />
  return (
    <div className="mt-5">
      <Quoted text={data.text} />
    </div>
  )
}

/** The passage as it stands in the document now, or else what the answer kept of it. */
export function PassageText({ citation }: { citation: Citation }) {
  if (citation.documentId === null) return <StoredExcerpt excerpt={citation.excerpt} />
  if (citation.part !== null) return <LivePart citation={citation} documentId={citation.documentId} part={citation.part} />
  return <LivePassage citation={citation} documentId={citation.documentId} />
}
