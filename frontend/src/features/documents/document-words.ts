import type { DocumentStatus } from "@/lib/api/documents"
import type { Document } from "@/lib/api/types"

export const statusWords: Record<DocumentStatus, string> = {
  pending: "Waiting",
  indexing: "Being read",
  indexed: "Ready",
  failed: "Failed",
  not_indexed: "Not searchable",
}

export const sourceWords: Record<Document["source"], string> = {
  local: "Shared folder",
  google_drive: "Google Drive",
  upload: "Upload",
}

type Advice = { upload: string; synced: string }

const advice: Partial<Record<string, Advice>> = {
  unsupported_type: { upload: "Save it as PDF, Word or plain text and upload that.", synced: "A PDF, Word or text version beside it would be read." },
  empty: { upload: "Upload a version with text in it.", synced: "It is read as soon as there is text in it." },
  encrypted: { upload: "Save it without the password and upload it again.", synced: "Save it without the password; it is then read by itself." },
  unreadable: { upload: "Open it and save it anew, then upload it again.", synced: "Open it and save it anew; it is then read by itself." },
  too_large: { upload: "Split it and upload the parts.", synced: "Split it; the parts are then read by themselves." },
  too_many_pages: { upload: "Split it and upload the parts.", synced: "Split it; the parts are then read by themselves." },
  archive_too_large: { upload: "Save it anew without embedded files, then upload it again.", synced: "Save it anew without embedded files." },
  timed_out: { upload: "Try again; if that does not help, split it.", synced: "Splitting it may help." },
  crashed: { upload: "Try again; if that does not help, save it in another format.", synced: "Saving it in another format may help." },
  needs_vision: { upload: "Upload a version whose text can be selected.", synced: "A version whose text can be selected would be read." },
}

/** What a person can do about a document that is not searchable; null where only waiting helps. */
export function adviceFor(document: Pick<Document, "error" | "source" | "is_quarantined">): string | null {
  const code = document.error?.code ?? ""
  const known = Object.hasOwn(advice, code) ? advice[code] : undefined
  if (known) return document.source === "upload" ? known.upload : known.synced
  if (document.error === null) return null
  return document.is_quarantined ? "It is not tried again until it changes." : "It is tried again by itself."
}

/** What stands where a document has no text to show. */
export function noTextWords(status: DocumentStatus): string {
  if (status === "indexed") return "There is no text in this document."
  return status === "pending" || status === "indexing" ? "Its text is not there yet." : "No text was read out of this document."
}

/** What deleting takes away. What was not uploaded is offered only where no folder or Drive keeps it any more. */
export function deletionWords({ title, source, is_shared: isShared }: Pick<Document, "title" | "source" | "is_shared">): string {
  const others = isShared ? " for everyone" : ""
  return source === "upload"
    ? `“${title}” and the uploaded file will be gone for good${others}.`
    : `Where “${title}” came from is not connected any more. It will be gone from here${others}.`
}

const LARGE_CHUNKS = 1_000

/** How long sharing takes, or taking it back; null where it is done at once. */
export function sharingWait({ chunk_count: chunks }: Pick<Document, "chunk_count">): string | null {
  return chunks < LARGE_CHUNKS ? null : "A document of thousands of passages takes a few minutes."
}

const kinds: [pattern: RegExp, words: string][] = [
  [/pdf/, "PDF"],
  [/wordprocessing|msword|opendocument\.text|rtf/, "Text document"],
  [/spreadsheet|ms-excel|csv|tab-separated/, "Table"],
  [/presentation|powerpoint/, "Slides"],
  [/markdown/, "Markdown"],
  [/html/, "Web page"],
  [/json/, "JSON"],
  [/epub/, "Book"],
  [/^image\//, "Image"],
  [/^text\//, "Text"],
]

/** What kind of file it is, in a word; empty when nobody knows. */
export function kindOf(document: Pick<Document, "mime_type" | "file_name">): string {
  const known = kinds.find(([pattern]) => pattern.test(document.mime_type ?? ""))
  return known?.[1] ?? /\.([^.]{1,5})$/.exec(document.file_name ?? "")?.[1]?.toUpperCase() ?? ""
}

/** Whether its text is shown as it stands, because its line breaks mean something. */
export function isPlainText(mimeType: string | null): boolean {
  return mimeType !== null && /^text\/(plain|csv|tab-separated-values)|json/.test(mimeType)
}

export function count(number: number, noun: string): string {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`
}
