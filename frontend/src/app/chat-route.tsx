import { ChatView } from "@/features/chat/chat-view"
import { useBalance } from "@/features/tokens/balance-context"
import { conversationsQuery } from "@/lib/api/conversations"
import { profileQuery } from "@/lib/api/profile"
import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query"
import { useState } from "react"
import { useMatch, useNavigate, useSearchParams } from "react-router"

/** `isPlaced` once the address shows it, which is after the server took in its first question. */
type Draft = { sessionId: string; isAccepted: boolean; isPlaced: boolean }

const newDraft = (): Draft => ({ sessionId: crypto.randomUUID(), isAccepted: false, isPlaced: false })

/** Composes the chat with the address: "/" is a conversation that has its id already, but not yet its place. */
export function ChatRoute() {
  const navigate = useNavigate()
  const client = useQueryClient()
  const { setTokens, reread } = useBalance()
  const { data: profile } = useQuery(profileQuery)
  const [query, setQuery] = useSearchParams()
  const opened = useMatch("/c/:sessionId")?.params.sessionId
  const [draft, setDraft] = useState(newDraft)

  if (opened === draft.sessionId && !draft.isPlaced) setDraft({ ...draft, isPlaced: true })
  // Back at "/" after the draft became a conversation: a new one.
  if (opened === undefined && draft.isPlaced) setDraft(newDraft())

  const sessionId = opened ?? draft.sessionId
  const isNew = sessionId === draft.sessionId && !draft.isAccepted
  const lists = useInfiniteQuery(conversationsQuery(false))
  const listed = lists.data?.pages.flatMap((page) => page.items).find((one) => one.session_id === sessionId)
  const refreshLists = () => {
    void client.invalidateQueries({ queryKey: ["conversations"] })
    void client.invalidateQueries({ queryKey: ["transactions"] })
  }

  return (
    <ChatView
      key={sessionId}
      sessionId={sessionId}
      branch={query.get("branch")}
      isNew={isNew}
      isListedAsRunning={listed?.is_running ?? false}
      name={profile?.full_name?.trim().split(/\s+/)[0] ?? null}
      onStart={() => {
        // What is asked now becomes the newest branch.
        if (query.has("branch")) setQuery({}, { replace: true })
      }}
      onAccepted={() => {
        if (isNew) {
          setDraft({ sessionId, isAccepted: true, isPlaced: false })
          void navigate(`/c/${sessionId}`)
        }
        refreshLists()
      }}
      onRefused={(failure) => {
        // Tokens that ran out in time are only found missing when one is asked for.
        if (failure?.kind === "no-tokens") reread()
      }}
      onSwitchBranch={(messageId) => setQuery({ branch: messageId })}
      onBalance={setTokens}
      onTurnEnd={refreshLists}
    />
  )
}
