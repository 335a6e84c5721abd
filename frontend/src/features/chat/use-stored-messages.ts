import { mergeNewestPage, toChatMessage, type ChatMessage } from "@/features/chat/messages"
import { fetchMessages, messagesQuery } from "@/lib/api/conversations"
import { useQuery } from "@tanstack/react-query"
import { useEffect, useEffectEvent, useRef, useState } from "react"

type Options = {
  sessionId: string
  branch: string | null
  /** False for a conversation that does not exist yet. */
  exists: boolean
  /** While a turn runs on this page its messages are newer than what the server would tell. */
  isBusy: boolean
  messages: ChatMessage[]
  setMessages: (messages: ChatMessage[] | ((messages: ChatMessage[]) => ChatMessage[])) => void
  /** A turn runs that this page does not show yet. */
  onRunning: (requestId: string) => void
}

/** Keeps the messages on screen in step with the stored ones, by page, whenever no turn runs here. */
export function useStoredMessages(options: Options) {
  const { sessionId, branch, exists, isBusy } = options
  const query = useQuery({ ...messagesQuery(sessionId, branch), enabled: exists && !isBusy })
  const { data, dataUpdatedAt } = query
  const [before, setBefore] = useState<string | null>(null)
  const [isLoadingEarlier, setIsLoadingEarlier] = useState(false)
  /** What was fetched up to this moment is applied, or older than the turn that ran since. */
  const settledUpTo = useRef(0)

  const apply = useEffectEvent(() => {
    if (!data || isBusy || dataUpdatedAt <= settledUpTo.current) return
    settledUpTo.current = dataUpdatedAt
    const merged = mergeNewestPage(options.messages, before, data)
    options.setMessages(merged.messages)
    setBefore(merged.before)
    if (data.running_request_id !== null) options.onRunning(data.running_request_id)
  })
  useEffect(() => apply(), [data, dataUpdatedAt, isBusy])

  useEffect(() => {
    settledUpTo.current = Math.max(settledUpTo.current, isBusy ? Date.now() : 0)
  }, [isBusy])

  async function loadEarlier() {
    if (before === null || isLoadingEarlier) return
    setIsLoadingEarlier(true)
    try {
      const page = await fetchMessages(sessionId, { branch, before })
      options.setMessages((shown) => [...page.items.map(toChatMessage), ...shown])
      setBefore(page.next_before)
    } finally {
      setIsLoadingEarlier(false)
    }
  }

  return {
    isPending: exists && query.isPending && options.messages.length === 0,
    error: query.error,
    /** Reads the stored messages again, after which nothing older counts. */
    refresh: async () => {
      settledUpTo.current = Date.now()
      await query.refetch()
    },
    hasEarlier: before !== null,
    isLoadingEarlier,
    loadEarlier,
  }
}
