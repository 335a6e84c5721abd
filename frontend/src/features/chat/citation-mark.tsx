import { AnswerCitationsContext, useCitationView } from "@/features/chat/citation-context"
import { nameOf } from "@/features/chat/citations"
import type { MarkComponent } from "@/components/markdown/markdown"
import { cn } from "@/lib/cn"
import { use } from "react"

/** A numbered mark in an answer that opens the passage it stands for; text where there is no such passage. */
export const CitationMark: MarkComponent = function CitationMark({ number, isSpaced, children }) {
  const cited = use(AnswerCitationsContext)
  const { activeChunkId, open } = useCitationView()
  const citation = cited.find((one) => one.number === number)
  if (!citation) return <>{children}</>
  const isActive = citation.chunkId === activeChunkId
  return (
    // The brackets are for whoever copies the text; the button draws the number itself.
    <span className="mark">
      <span className="mark-bracket">{isSpaced ? " [" : "["}</span>
      <button
        type="button"
        data-citation={citation.chunkId}
        aria-label={`Source ${number}: ${nameOf(citation)}`}
        aria-haspopup="dialog"
        aria-expanded={isActive}
        title={nameOf(citation)}
        className={cn("mark-number", isActive && "mark-number-active")}
        onClick={() => open(citation, cited)}
      >
        {number}
      </button>
      <span className="mark-bracket">]</span>
    </span>
  )
}
