import { Button } from "@/components/ui/button"
import { ConfirmCancel, ConfirmDialog } from "@/components/ui/dialog"
import { Waiting } from "@/components/ui/spinner"
import { useToast } from "@/components/ui/toast"
import { useConversationActions } from "@/features/chat/conversation-actions"
import { ConversationRow, UNTITLED } from "@/features/chat/conversation-row"
import { conversationsQuery } from "@/lib/api/conversations"
import type { Conversation } from "@/lib/api/types"
import { groupByDay } from "@/lib/dates"
import { useInfiniteQuery } from "@tanstack/react-query"
import { useState } from "react"

type ConversationListProps = {
  isArchive: boolean
  onOpen: () => void
  /** Called after a conversation went away, so that nobody is left looking at it. */
  onGone: (sessionId: string) => void
}

function DeleteDialog({ conversation, onClose, onGone }: { conversation: Conversation; onClose: () => void; onGone: (sessionId: string) => void }) {
  const { remove } = useConversationActions()
  return (
    <ConfirmDialog
      isOpen
      onOpenChange={(isOpen) => {
        if (!isOpen) onClose()
      }}
      title="Delete this conversation?"
      description={`“${conversation.title ?? UNTITLED}” and all its answers will be gone for good. What you spent stays in your token history.`}
      actions={
        <>
          <ConfirmCancel asChild>
            <Button>Keep it</Button>
          </ConfirmCancel>
          <Button
            look="danger"
            disabled={remove.isPending}
            onClick={() => {
              remove.mutate(conversation.session_id, {
                onSuccess: () => {
                  onClose()
                  onGone(conversation.session_id)
                },
              })
            }}
          >
            {remove.isPending ? "Deleting…" : "Delete"}
          </Button>
        </>
      }
    >
      {remove.error ? (
        <p role="alert" className="mt-3 text-sm text-danger">
          {remove.error.message}
        </p>
      ) : null}
    </ConfirmDialog>
  )
}

export function ConversationList({ isArchive, onOpen, onGone }: ConversationListProps) {
  const query = useInfiniteQuery(conversationsQuery(isArchive))
  const { rename, archive } = useConversationActions()
  const [deleting, setDeleting] = useState<Conversation | null>(null)
  const toast = useToast()

  if (query.isPending) return <Waiting label="Loading your conversations" />
  if (query.isError) {
    return (
      <div role="alert" className="px-3 py-6 text-sm text-ink-soft">
        <p>Your conversations could not be loaded.</p>
        <Button size="small" className="mt-3" onClick={() => void query.refetch()}>
          Try again
        </Button>
      </div>
    )
  }

  const conversations = query.data.pages.flatMap((page) => page.items)
  if (conversations.length === 0) {
    return (
      <p className="px-3 py-6 text-sm text-ink-faint">
        {isArchive ? "Nothing is archived." : "Your conversations will appear here."}
      </p>
    )
  }

  const putAway = (conversation: Conversation) => {
    const { session_id: sessionId, is_archived: wasArchived } = conversation
    archive.mutate(
      { sessionId, isArchived: !wasArchived },
      {
        onSuccess: () =>
          toast(wasArchived ? "Moved back to your conversations." : "Archived.", () =>
            archive.mutate({ sessionId, isArchived: wasArchived }),
          ),
        onError: (error) => toast(error.message),
      },
    )
  }

  return (
    <>
      {groupByDay(conversations, (conversation) => conversation.last_message_at).map((group) => (
        <section key={group.label} aria-label={group.label} className="mb-4">
          <h3 className="px-3 pb-1 text-xs font-medium text-ink-faint">{group.label}</h3>
          <ul>
            {group.items.map((conversation) => (
              <li key={conversation.session_id}>
                <ConversationRow
                  conversation={conversation}
                  onOpen={onOpen}
                  onRename={(title) =>
                    rename.mutate({ sessionId: conversation.session_id, title }, { onError: (error) => toast(error.message) })
                  }
                  onArchive={() => putAway(conversation)}
                  onDelete={() => setDeleting(conversation)}
                />
              </li>
            ))}
          </ul>
        </section>
      ))}
      {query.hasNextPage ? (
        <Button size="small" look="quiet" className="mb-4 w-full" disabled={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
          {query.isFetchingNextPage ? "Loading…" : "Show more"}
        </Button>
      ) : null}
      {deleting ? <DeleteDialog conversation={deleting} onClose={() => setDeleting(null)} onGone={onGone} /> : null}
    </>
  )
}
