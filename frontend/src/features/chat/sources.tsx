import { useCitationView } from "@/features/chat/citation-context"
import { nameOf, webSourcesOf, type Citation, type WebSource } from "@/features/chat/citations"
import type { ChatMessage } from "@/features/chat/messages"
import { cn } from "@/lib/cn"
import { FileText, Globe } from "lucide-react"

const CHIP = "flex max-w-full items-center gap-2 rounded-full border border-line bg-surface py-1 pr-3 pl-1 text-sm text-ink-soft transition-colors"
const BADGE = "grid size-5 shrink-0 place-items-center rounded-full bg-accent-wash text-xs font-medium text-accent tabular-nums"

function CitationChip({ citation, among }: { citation: Citation; among: readonly Citation[] }) {
  const { activeChunkId, open } = useCitationView()
  const { number, title, page, part } = citation
  const isActive = citation.chunkId === activeChunkId
  return (
    <li className="max-w-full">
      <button
        type="button"
        aria-label={number === null ? nameOf(citation) : `Source ${number}: ${nameOf(citation)}`}
        aria-haspopup="dialog"
        aria-expanded={isActive}
        onClick={() => open(citation, among)}
        className={cn(CHIP, "hover:border-line-strong hover:text-ink", isActive && "border-accent text-ink")}
      >
        <span className={BADGE}>{number ?? <FileText aria-hidden className="size-3" />}</span>
        <span className="truncate" dir="auto">
          {title}
        </span>
        {part === null ? null : <span className="shrink-0 text-ink-faint tabular-nums">part {part}</span>}
        {page === null ? null : <span className="shrink-0 text-ink-faint tabular-nums">p. {page}</span>}
      </button>
    </li>
  )
}

function WebChip({ source: { title, url } }: { source: WebSource }) {
  return (
    <li className={CHIP}>
      <span className={BADGE}>
        <Globe aria-hidden className="size-3" />
      </span>
      {url === null ? (
        <span className="truncate">{title}</span>
      ) : (
        <a href={url} target="_blank" rel="noopener noreferrer nofollow" className="truncate hover:text-ink hover:underline">
          {title}
        </a>
      )}
    </li>
  )
}

type SourcesProps = { message: ChatMessage; cited: readonly Citation[]; uncited: readonly Citation[] }

/** What an answer rests on: the passages its marks stand for, and folded away what else was read. */
export function Sources({ message, cited, uncited }: SourcesProps) {
  const web = webSourcesOf(message)
  if (cited.length + uncited.length + web.length === 0) return null
  return (
    <div className="mt-4 space-y-2">
      {cited.length + web.length === 0 ? null : (
        <ol aria-label="Sources" className="flex flex-wrap gap-2">
          {cited.map((citation) => (
            <CitationChip key={citation.chunkId} citation={citation} among={cited} />
          ))}
          {web.map((source) => (
            <WebChip key={source.id} source={source} />
          ))}
        </ol>
      )}
      {uncited.length === 0 ? null : (
        <details className="text-sm text-ink-faint">
          <summary className="w-fit cursor-pointer rounded hover:text-ink">
            {uncited.length} {cited.length === 0 ? "" : "more "}
            {uncited.length === 1 ? "passage" : "passages"} read
          </summary>
          <ol aria-label="Passages read" className="mt-2 flex flex-wrap gap-2">
            {uncited.map((citation) => (
              <CitationChip key={citation.chunkId} citation={citation} among={uncited} />
            ))}
          </ol>
        </details>
      )}
    </div>
  )
}
