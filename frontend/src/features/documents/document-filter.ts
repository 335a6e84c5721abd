import { statusWords } from "@/features/documents/document-words"
import type { DocumentFilter, DocumentScope, DocumentStatus } from "@/lib/api/documents"

export const QUERY_CHARACTERS_MAX = 200
const scopes: readonly string[] = ["own", "shared"] satisfies DocumentScope[]

/** What the address says. Whatever else stands there counts as nothing. */
export function readFilter(query: URLSearchParams): DocumentFilter {
  const scope = query.get("scope") ?? ""
  const status = query.get("status") ?? ""
  return {
    scope: scopes.includes(scope) ? (scope as DocumentScope) : "all",
    status: Object.hasOwn(statusWords, status) ? (status as DocumentStatus) : null,
    q: (query.get("q") ?? "").slice(0, QUERY_CHARACTERS_MAX),
  }
}

export function writeFilter({ scope, status, q }: DocumentFilter): Record<string, string> {
  return { ...(scope === "all" ? {} : { scope }), ...(status === null ? {} : { status }), ...(q.trim() === "" ? {} : { q: q.trim() }) }
}

export function isNarrowed(filter: DocumentFilter): boolean {
  return Object.keys(writeFilter(filter)).length > 0
}
