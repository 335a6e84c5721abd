import type { MessagePage, StoredMessage } from "@/lib/api/types"
import type { UIMessage } from "ai"

/** What a stored message carries, and what the stream adds to it while it is being written. */
export type ChatMetadata = {
  request_id?: string | null
  session_id?: string
  user_message_id?: string | number
  status?: string | null
  created_at?: string
  reason?: string | null
  balance?: number
  sibling_ids?: string[]
}

export type ChatMessage = UIMessage<ChatMetadata>

export function toChatMessage(stored: StoredMessage): ChatMessage {
  return {
    id: stored.id,
    role: stored.role,
    parts: stored.parts as unknown as ChatMessage["parts"],
    metadata: { ...stored.metadata, sibling_ids: stored.sibling_ids },
  }
}

export function textOf(message: ChatMessage): string {
  return message.parts.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("\n\n")
}

/** Stored messages have decimal ids; one that is still only here has a uuid. */
export function isStored(message: ChatMessage): boolean {
  return /^\d+$/.test(message.id)
}

/**
 * What to show of a page while a turn runs: everything up to the question. The answer then comes
 * from the stream alone, from its first word, so none of it can appear twice. When an answer is
 * being written anew, this also takes the old one away.
 */
export function withoutRunningAnswer(page: MessagePage): ChatMessage[] {
  const messages = page.items.map(toChatMessage)
  if (page.running_request_id === null) return messages
  while (messages.at(-1)?.role === "assistant") messages.pop()
  return messages
}

/** Puts a fresh newest page behind the older pages already on screen, if the two still meet. */
export function mergeNewestPage(
  shown: readonly ChatMessage[],
  shownBefore: string | null,
  page: MessagePage,
): { messages: ChatMessage[]; before: string | null } {
  const fresh = withoutRunningAnswer(page)
  const meetsAt = fresh[0] ? shown.findIndex((message) => message.id === fresh[0]?.id) : -1
  if (meetsAt <= 0) return { messages: fresh, before: page.next_before }
  return { messages: [...shown.slice(0, meetsAt), ...fresh], before: shownBefore }
}

/** The question to send, alone, and the stored message it follows, so that it lands on the branch on screen. */
export function questionToSend(messages: readonly ChatMessage[]): { question: ChatMessage; parentId: string | null } | null {
  const last = messages.findLastIndex((message) => message.role === "user")
  const question = messages[last]
  if (!question) return null
  const { id, role, parts } = question
  const previous = messages[last - 1]
  return { question: { id, role, parts }, parentId: previous && isStored(previous) ? previous.id : null }
}
