import type { ChatMessage } from "@/features/chat/messages"
import { FileText, Globe } from "lucide-react"

type Source = { id: string; title: string; url: string | null }

export function sourcesOf(message: ChatMessage): Source[] {
  const found = message.parts.flatMap((part): Source[] => {
    if (part.type === "source-document") return [{ id: part.sourceId, title: part.title || (part.filename ?? "Document"), url: null }]
    if (part.type === "source-url") {
      const isWeb = URL.canParse(part.url) && /^https?:$/.test(new URL(part.url).protocol)
      return [{ id: part.sourceId, title: part.title ?? part.url, url: isWeb ? part.url : null }]
    }
    return []
  })
  return [...new Map(found.map((source) => [source.id, source])).values()]
}

/** The documents and pages an answer rests on, numbered as they came. */
export function Sources({ sources }: { sources: Source[] }) {
  if (sources.length === 0) return null
  return (
    <ol aria-label="Sources" className="mt-4 flex flex-wrap gap-2">
      {sources.map(({ id, title, url }, index) => (
        <li key={id} className="flex max-w-full items-center gap-2 rounded-full border border-line bg-surface py-1 pr-3 pl-1 text-sm text-ink-soft">
          <span className="grid size-5 shrink-0 place-items-center rounded-full bg-accent-wash text-xs font-medium text-accent tabular-nums">
            {index + 1}
          </span>
          {url === null ? <FileText aria-hidden className="size-3.5 shrink-0" /> : <Globe aria-hidden className="size-3.5 shrink-0" />}
          {url === null ? (
            <span className="truncate">{title}</span>
          ) : (
            <a href={url} target="_blank" rel="noopener noreferrer nofollow" className="truncate hover:text-ink hover:underline">
              {title}
            </a>
          )}
        </li>
      ))}
    </ol>
  )
}
