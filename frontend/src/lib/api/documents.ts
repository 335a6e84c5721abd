import { callApi } from "@/lib/api/client"
import type { Document, DocumentContent, DocumentPage, DocumentSummary, DocumentUpdate, Passage } from "@/lib/api/types"
import { ApiError } from "@/lib/errors"
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query"

const PAGE_SIZE = 50
const ACTIVE_POLL_MS = 2_000
const IDLE_POLL_MS = 30_000
const PASSAGE_FRESH_MS = 60_000
/** The API gives up sharing after 300 s, and a proxy gives up the reply after 330 s. */
const UPDATE_TIMEOUT_MS = 315_000

export type DocumentStatus = Document["status"]
export type DocumentScope = "all" | "own" | "shared"
export type DocumentFilter = { scope: DocumentScope; status: DocumentStatus | null; q: string }

const documentsKey = ["documents"] as const
/** Everything that tells of documents: lists, figures, single ones. */
export const allDocuments = { queryKey: documentsKey }

const pathOf = (documentId: string) => `/api/documents/${encodeURIComponent(documentId)}`

/** Somebody works on it now or will soon. */
export function isActive(document: Pick<Document, "status">): boolean {
  return document.status === "pending" || document.status === "indexing"
}

/** Queries in hidden tabs do not poll: that is the client library's default. */
export function documentsQuery(filter: DocumentFilter) {
  return infiniteQueryOptions({
    queryKey: [...documentsKey, "list", filter],
    queryFn: ({ pageParam, signal }) =>
      callApi<DocumentPage>("/api/documents", {
        query: { limit: PAGE_SIZE, cursor: pageParam, scope: filter.scope, status: filter.status, q: filter.q === "" ? null : filter.q },
        signal,
      }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    refetchInterval: ({ state }) => (state.data?.pages.some((page) => page.items.some(isActive)) === true ? ACTIVE_POLL_MS : false),
  })
}

export const documentSummaryQuery = queryOptions({
  queryKey: [...documentsKey, "summary"],
  queryFn: ({ signal }) => callApi<DocumentSummary>("/api/documents/summary", { signal }),
  refetchInterval: ({ state }) => {
    const counts = state.data?.counts
    return counts && counts.pending + counts.indexing > 0 ? ACTIVE_POLL_MS : IDLE_POLL_MS
  },
})

export function documentQuery(documentId: string) {
  return queryOptions({
    queryKey: [...documentsKey, "one", documentId],
    queryFn: ({ signal }) => callApi<Document>(pathOf(documentId), { signal }),
    refetchInterval: ({ state }) => (state.data && isActive(state.data) ? ACTIVE_POLL_MS : false),
  })
}

/** A page of the document's text; pages count from 1. */
export function contentQuery(documentId: string, page: number) {
  return queryOptions({
    queryKey: [...documentsKey, "content", documentId, page],
    queryFn: ({ signal }) => callApi<DocumentContent>(`${pathOf(documentId)}/content`, { query: { page }, signal }),
  })
}

/** What an answer keeps of a passage it cites. */
type Cited = { chunkId: string; charStart: number | null; excerpt: string | null }

async function readPassage(documentId: string, { chunkId, charStart, excerpt }: Cited, signal: AbortSignal): Promise<Passage> {
  const passages = `${pathOf(documentId)}/passages`
  try {
    return await callApi<Passage>(`${passages}/${encodeURIComponent(chunkId)}`, { signal })
  } catch (error) {
    // A document that was indexed anew has passages with other ids.
    if (!(error instanceof ApiError && error.code === "passage_not_found") || !excerpt) throw error
    return callApi<Passage>(passages, { method: "POST", body: { excerpt, char_start: charStart }, signal })
  }
}

/** A passage and what stands around it. 404 when the document does not hold it any more, or may no longer be read. */
export function passageQuery(documentId: string, cited: Cited) {
  return queryOptions({
    queryKey: ["passages", documentId, cited.chunkId],
    queryFn: ({ signal }) => readPassage(documentId, cited, signal),
    staleTime: PASSAGE_FRESH_MS,
  })
}

/** Sharing a large document takes as long as its passages take to be indexed again. */
export function updateDocument(documentId: string, change: DocumentUpdate): Promise<Document> {
  return callApi(pathOf(documentId), { method: "PATCH", body: change, timeoutMs: UPDATE_TIMEOUT_MS })
}

export function deleteDocument(documentId: string): Promise<void> {
  return callApi(pathOf(documentId), { method: "DELETE" })
}

export function retryDocument(documentId: string): Promise<Document> {
  return callApi(`${pathOf(documentId)}/retry`, { method: "POST" })
}

export const filePathOf = (documentId: string) => `${pathOf(documentId)}/file`
