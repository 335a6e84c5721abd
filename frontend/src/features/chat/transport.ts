import { questionToSend, type ChatMessage } from "@/features/chat/messages"
import { createResilientFetch } from "@/features/chat/resilient-fetch"
import { getConfig } from "@/lib/config"
import { DefaultChatTransport } from "ai"

/** The AI SDK's own transport, told how this API is spoken to. */
export function createTransport(sessionId: string, onLinkChange: (link: "up" | "down") => void) {
  const { agentEndpoint } = getConfig()
  const attachUrl = (after: number, requestId: string | null) => {
    const query = new URLSearchParams({ after: String(after), ...(requestId === null ? {} : { request_id: requestId }) })
    return `${agentEndpoint}/${encodeURIComponent(sessionId)}/stream?${query.toString()}`
  }
  return new DefaultChatTransport<ChatMessage>({
    api: agentEndpoint,
    fetch: createResilientFetch({ attachUrl, onLinkChange }),
    prepareSendMessagesRequest: ({ id, messages, trigger, messageId, body }) => {
      const sent = questionToSend(messages)
      return { body: { ...body, id, trigger, messageId, messages: sent ? [sent.question] : [], parent_id: sent?.parentId } }
    },
    prepareReconnectToStreamRequest: ({ body }) => ({
      api: attachUrl(0, typeof body?.request_id === "string" ? body.request_id : null),
      headers: { accept: "text/event-stream" },
    }),
  })
}
