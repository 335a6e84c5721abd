import { callApi } from "@/lib/api/client"
import type { Conversation, ConversationPage, ConversationUpdate, MessagePage, StopResult } from "@/lib/api/types"
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query"

const conversationsKey = ["conversations"] as const
const PAGE_SIZE = 30
const MESSAGES_PAGE_SIZE = 50
const TITLE_POLL_MS = 2_500
const TITLE_EXPECTED_WITHIN_MS = 60_000

/** A running answer ends and a new conversation gets its title without this page having a part in it. */
function expectsChange(conversation: Conversation): boolean {
  if (conversation.is_running) return true
  const ageMs = Date.now() - new Date(conversation.last_message_at).getTime()
  return conversation.title === null && ageMs < TITLE_EXPECTED_WITHIN_MS
}

export function conversationsQuery(archived: boolean) {
  return infiniteQueryOptions({
    queryKey: [...conversationsKey, "list", { archived }],
    queryFn: ({ pageParam, signal }) =>
      callApi<ConversationPage>("/api/conversations", {
        query: { limit: PAGE_SIZE, cursor: pageParam, archived },
        signal,
      }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    refetchInterval: (query) =>
      query.state.data?.pages[0]?.items.some(expectsChange) === true ? TITLE_POLL_MS : false,
  })
}

export function conversationQuery(sessionId: string) {
  return queryOptions({
    queryKey: [...conversationsKey, "one", sessionId],
    queryFn: ({ signal }) => callApi<Conversation>(`/api/conversations/${encodeURIComponent(sessionId)}`, { signal }),
  })
}

export function updateConversation(sessionId: string, change: ConversationUpdate): Promise<Conversation> {
  return callApi(`/api/conversations/${encodeURIComponent(sessionId)}`, { method: "PATCH", body: change })
}

export function deleteConversation(sessionId: string): Promise<void> {
  return callApi(`/api/conversations/${encodeURIComponent(sessionId)}`, { method: "DELETE" })
}

export function fetchMessages(
  sessionId: string,
  page: { branch?: string | null; before?: string | null; signal?: AbortSignal },
): Promise<MessagePage> {
  return callApi(`/api/conversations/${encodeURIComponent(sessionId)}/messages`, {
    query: { limit: MESSAGES_PAGE_SIZE, branch: page.branch, before: page.before },
    signal: page.signal,
  })
}

export function messagesQuery(sessionId: string, branch: string | null) {
  return queryOptions({
    queryKey: ["messages", sessionId, { branch }],
    queryFn: ({ signal }) => fetchMessages(sessionId, { branch, signal }),
    staleTime: 0,
  })
}

export function stopAnswer(sessionId: string): Promise<StopResult> {
  return callApi(`/api/pydantic-agent/${encodeURIComponent(sessionId)}/stop`, { method: "POST" })
}
