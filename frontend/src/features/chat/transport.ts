import { questionToSend, type ChatMessage } from "@/features/chat/messages"
import { createResilientFetch } from "@/features/chat/resilient-fetch"
import { getConfig } from "@/lib/config"
import { DefaultChatTransport } from "ai"

/** The AI SDK's own transport, told how this API is spoken to. */
export function createTransport(sessionId: string, onLinkChange: (link: "up" | "down") => void) {
  const { agentEndpoint } = getConfig()
  const attachUrl = (after: number) => `${agentEndpoint}/${encodeURIComponent(sessionId)}/stream?after=${after}`
  return new DefaultChatTransport<ChatMessage>({
    api: agentEndpoint,
    fetch: createResilientFetch({ attachUrl, onLinkChange }),
    prepareSendMessagesRequest: ({ id, messages, trigger, messageId, body }) => {
      const sent = questionToSend(messages)
      return { body: { ...body, id, trigger, messageId, messages: sent ? [sent.question] : [], parent_id: sent?.parentId } }
    },
    prepareReconnectToStreamRequest: () => ({ api: attachUrl(0), headers: { accept: "text/event-stream" } }),
  })
}
