import type { DocumentSummary } from "@/lib/api/types"
import { formatBytes } from "@/lib/bytes"

/** What may be sent, and what is taken up already; null while it is not known, when the server alone decides. */
export type Room = Pick<DocumentSummary, "limits" | "usage">

type FileFacts = { name: string; size: number }

/** ".pdf", in lower case; empty for names without one. */
export function extensionOf(name: string): string {
  return /\.[^./\\]+$/.exec(name)?.[0].toLowerCase() ?? ""
}

/** Other endings of a type that is named already. */
const ALIASES = new Set([".htm", ".jpeg", ".markdown", ".tif"])

function kindWords(extensions: readonly string[]): string {
  const named = extensions.filter((extension) => !ALIASES.has(extension))
  return named.map((extension) => extension.slice(1).toUpperCase()).join(", ")
}

/** Why a file would be refused, in words for the person who chose it; null when nothing speaks against sending it. */
export function refusalOf(file: FileFacts, room: Room | null, queued: { documents: number; bytes: number }): string | null {
  if (file.size === 0) return "This file is empty."
  if (!room) return null
  const { limits, usage } = room
  const extension = extensionOf(file.name)
  if (limits.file_extensions.length > 0 && !limits.file_extensions.includes(extension)) {
    const what = extension === "" ? "Files without an ending" : `${extension.slice(1).toUpperCase()} files`
    return `${what} cannot be read. These can: ${kindWords(limits.file_extensions)}.`
  }
  if (file.size > limits.file_max_bytes) {
    return `This file has ${formatBytes(file.size)}; ${formatBytes(limits.file_max_bytes)} is the most. Splitting it may help.`
  }
  if (usage.documents + queued.documents >= limits.documents_max) {
    return `You have as many documents as you may have (${limits.documents_max.toLocaleString("en")}). Delete one to make room.`
  }
  const left = limits.total_max_bytes - usage.bytes - queued.bytes
  if (file.size > left) {
    return `This file has ${formatBytes(file.size)}, and you have ${formatBytes(Math.max(0, left))} of ${formatBytes(limits.total_max_bytes)} left. Delete a document to make room.`
  }
  return null
}
