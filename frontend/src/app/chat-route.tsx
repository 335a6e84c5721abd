import { ChatView } from "@/features/chat/chat-view"
import { useBalance } from "@/features/tokens/balance-context"
import { profileQuery } from "@/lib/api/profile"
import { useQuery, useQueryClient } from "@tanstack/react-query"
import { useState } from "react"
import { useMatch, useNavigate, useSearchParams } from "react-router"

type Draft = { sessionId: string; isAccepted: boolean }

const newDraft = (): Draft => ({ sessionId: crypto.randomUUID(), isAccepted: false })

/** Composes the chat with the address: "/" is a conversation that has its id already, but not yet its place. */
export function ChatRoute() {
  const navigate = useNavigate()
  const client = useQueryClient()
  const { setTokens } = useBalance()
  const { data: profile } = useQuery(profileQuery)
  const [query, setQuery] = useSearchParams()
  const opened = useMatch("/c/:sessionId")?.params.sessionId
  const [draft, setDraft] = useState(newDraft)

  // Back at "/" after the draft became a conversation: a new one.
  if (opened === undefined && draft.isAccepted) setDraft(newDraft())

  const sessionId = opened ?? draft.sessionId
  const isNew = sessionId === draft.sessionId && !draft.isAccepted
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
      name={profile?.full_name?.trim().split(/\s+/)[0] ?? null}
      onStart={() => {
        if (opened === undefined) void navigate(`/c/${sessionId}`, { state: { isNew: true } })
        // What is asked now becomes the newest branch.
        else if (query.has("branch")) setQuery({}, { replace: true })
      }}
      onAccepted={() => {
        if (isNew) setDraft({ sessionId, isAccepted: true })
        refreshLists()
      }}
      onRefused={() => {
        if (isNew) void navigate("/", { replace: true })
      }}
      onSwitchBranch={(messageId) => setQuery({ branch: messageId })}
      onBalance={setTokens}
      onTurnEnd={refreshLists}
    />
  )
}
