import { conversationsQuery, deleteConversation, updateConversation } from "@/lib/api/conversations"
import { useMutation, useQueryClient } from "@tanstack/react-query"

/** Changes to one conversation; every list that may show it is read again afterwards. */
export function useConversationActions() {
  const client = useQueryClient()
  const refresh = () => client.invalidateQueries({ queryKey: conversationsQuery(false).queryKey.slice(0, 1) })

  const rename = useMutation({
    mutationFn: ({ sessionId, title }: { sessionId: string; title: string }) => updateConversation(sessionId, { title }),
    onSettled: refresh,
  })
  const archive = useMutation({
    mutationFn: ({ sessionId, isArchived }: { sessionId: string; isArchived: boolean }) =>
      updateConversation(sessionId, { is_archived: isArchived }),
    onSettled: refresh,
  })
  const remove = useMutation({
    mutationFn: (sessionId: string) => deleteConversation(sessionId),
    onSuccess: (_nothing, sessionId) => client.removeQueries({ queryKey: ["messages", sessionId] }),
    onSettled: refresh,
  })
  return { rename, archive, remove }
}
