import { citedNumbers } from "@/components/markdown/marks"
import { textOf, type ChatMessage } from "@/features/chat/messages"
import { webAddress } from "@/lib/addresses"
import { z } from "zod"

/** One passage, or one part of a document's whole text, that was read for an answer. `number` is how the answer refers to it; null in answers from before marks. */
export type Citation = {
  chunkId: string
  number: number | null
  documentId: string | null
  title: string
  url: string | null
  page: number | null
  /** Which part of the text as this product shows it, where a whole part was read; null for a passage. */
  part: number | null
  headingPath: string | null
  /** Where the passage began in the text, and its beginning: by them it is found again in a document that was indexed anew. */
  charStart: number | null
  excerpt: string | null
}

const text = z.string().nullish().catch(null)
const passageSchema = z.object({
  number: z.number().int().positive().nullish().catch(null),
  document_id: text,
  url: text,
  page: z.number().int().nullish().catch(null),
  text_page: z.number().int().positive().nullish().catch(null),
  heading_path: text,
  char_start: z.number().int().nonnegative().nullish().catch(null),
  excerpt: text,
})

/** The passages of an answer, each once, by number; those without one come last. */
export function citationsOf(message: ChatMessage): Citation[] {
  const found = new Map<string, Citation>()
  for (const part of message.parts) {
    if (part.type !== "source-document" || found.has(part.sourceId)) continue
    const passage = passageSchema.safeParse(part.providerMetadata?.passage ?? {}).data
    found.set(part.sourceId, {
      chunkId: part.sourceId,
      number: passage?.number ?? null,
      documentId: passage?.document_id ?? null,
      title: part.title || (part.filename ?? "Untitled document"),
      url: webAddress(passage?.url),
      page: passage?.page ?? null,
      part: passage?.text_page ?? null,
      headingPath: passage?.heading_path ?? null,
      charStart: passage?.char_start ?? null,
      excerpt: passage?.excerpt ?? null,
    })
  }
  return [...found.values()].toSorted((one, other) => (one.number ?? Infinity) - (other.number ?? Infinity) || 0)
}

/** What the answer's marks point at, and what was read without being mentioned. */
export function splitByUse(message: ChatMessage, citations: readonly Citation[]): { cited: Citation[]; uncited: Citation[] } {
  const numbers = new Set(citedNumbers(textOf(message)))
  const isCited = ({ number }: Citation) => number !== null && numbers.has(number)
  return { cited: citations.filter(isCited), uncited: citations.filter((citation) => !isCited(citation)) }
}

/** A web page an answer rests on. */
export type WebSource = { id: string; title: string; url: string | null }

export function webSourcesOf(message: ChatMessage): WebSource[] {
  const found = message.parts.flatMap((part): [string, WebSource][] =>
    part.type === "source-url" ? [[part.sourceId, { id: part.sourceId, title: part.title ?? part.url, url: webAddress(part.url) }]] : [],
  )
  return [...new Map(found).values()]
}

/** "Handbook, page 3" */
export function nameOf({ title, page, part }: Pick<Citation, "title" | "page" | "part">): string {
  if (part !== null) return `${title}, part ${part} of its text`
  return page === null ? title : `${title}, page ${page}`
}

/** Whether a part of a text still begins with what an answer kept of it. */
export function beginsAsCited(text: string, excerpt: string | null): boolean {
  return excerpt === null || text.trim().replaceAll(/\s+/g, " ").startsWith(excerpt.replace(/…$/, ""))
}

/** The answer as it is copied: its text, and below it what its marks stand for. */
export function copyTextOf(message: ChatMessage): string {
  const { cited } = splitByUse(message, citationsOf(message))
  if (cited.length === 0) return textOf(message)
  const list = cited.map((citation) => `[${citation.number}] ${nameOf(citation)}${citation.url === null ? "" : ` (${citation.url})`}`)
  return `${textOf(message).trimEnd()}\n\nSources\n${list.join("\n")}`
}
