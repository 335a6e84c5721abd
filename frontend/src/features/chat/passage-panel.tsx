import { Button, IconButton } from "@/components/ui/button"
import { SidePanel } from "@/components/ui/side-panel"
import type { Citation } from "@/features/chat/citations"
import { PassageText } from "@/features/chat/passage-text"
import { ChevronLeft, ChevronRight, ExternalLink, FileText } from "lucide-react"
import { Link } from "react-router"

export type OpenPassage = { citations: readonly Citation[]; index: number }

type PassagePanelProps = { opened: OpenPassage; onMove: (index: number) => void; onClose: () => void }

function Place({ citation: { page, part, headingPath } }: { citation: Citation }) {
  const place = [part === null ? null : `Part ${part} of its text`, page === null ? null : `Page ${page}`, headingPath].filter((words) => words !== null && words !== "")
  return place.length === 0 ? null : (
    <p className="mt-1 text-sm break-words text-ink-soft" dir="auto">
      {place.join(" · ")}
    </p>
  )
}

/** The passage behind a mark, in its context, with a way to the document and to the passages beside it. */
export function PassagePanel({ opened: { citations, index }, onMove, onClose }: PassagePanelProps) {
  const citation = citations[index]
  if (!citation) return null
  const step = (label: string, to: number, Icon: typeof ChevronLeft) => (
    // Not disabled at the ends: a disabled button would drop the focus of whoever pages through by keyboard.
    <IconButton label={label} size="iconSmall" aria-disabled={citations[to] === undefined} className="aria-disabled:opacity-40" onClick={() => citations[to] && onMove(to)}>
      <Icon />
    </IconButton>
  )
  return (
    <SidePanel
      title={citation.number === null ? "Passage" : `Source ${citation.number}`}
      onClose={onClose}
      actions={
        citations.length < 2 ? null : (
          <>
            {step("Previous passage", index - 1, ChevronLeft)}
            <span className="px-0.5 text-sm text-ink-faint tabular-nums" aria-live="polite">
              {index + 1}
              <span aria-hidden>/</span>
              <span className="sr-only"> of </span>
              {citations.length}
            </span>
            {step("Next passage", index + 1, ChevronRight)}
          </>
        )
      }
    >
      <h3 className="font-serif text-lg leading-snug font-semibold break-words" dir="auto">
        {citation.title}
      </h3>
      <Place citation={citation} />
      <div className="mt-3 flex flex-wrap gap-2">
        {citation.documentId === null ? null : (
          <Button size="small" asChild>
            <Link to={`/documents/${encodeURIComponent(citation.documentId)}${citation.part === null ? "" : `?part=${citation.part}`}`}>
              <FileText aria-hidden /> Read the document
            </Link>
          </Button>
        )}
        {citation.url === null ? null : (
          <Button size="small" look="quiet" asChild>
            <a href={citation.url} target="_blank" rel="noopener noreferrer nofollow">
              <ExternalLink aria-hidden /> Open the original
            </a>
          </Button>
        )}
      </div>
      <PassageText key={citation.chunkId} citation={citation} />
    </SidePanel>
  )
}
