import { Button } from "@/components/ui/button"
import { Notice } from "@/components/ui/notice"
import { Waiting } from "@/components/ui/spinner"
import { CitationViewContext } from "@/features/chat/citation-context"
import { Composer, type ComposerHandle } from "@/features/chat/composer"
import { settleDraft } from "@/features/chat/draft"
import { EmptyChat } from "@/features/chat/empty-chat"
import { isGone, type Failure } from "@/features/chat/failures"
import { FailureNotice } from "@/features/chat/failure-notice"
import { AnswerAnnouncer, MessageList, ScrollToEnd } from "@/features/chat/message-list"
import { PassagePanel } from "@/features/chat/passage-panel"
import { useConversation } from "@/features/chat/use-conversation"
import { useCountdown } from "@/features/chat/use-countdown"
import { usePassagePanel } from "@/features/chat/use-passage-panel"
import { MessageSquareDashed, ServerCrash } from "lucide-react"
import { useRef } from "react"
import { Link } from "react-router"
import { StickToBottom, type StickToBottomContext } from "use-stick-to-bottom"

type ChatViewProps = {
  sessionId: string
  branch: string | null
  isNew: boolean
  /** The list of conversations, which hears of other tabs, says that an answer is being written. */
  isListedAsRunning: boolean
  name: string | null
  onStart: () => void
  onAccepted: () => void
  onRefused: (failure: Failure | null) => void
  onSwitchBranch: (messageId: string) => void
  onBalance: (tokens: number) => void
  onTurnEnd: () => void
}

function LoadFailure({ error, onRetry }: { error: Error; onRetry: () => void }) {
  return (
    <div className="mx-auto max-w-lg px-5 pt-16">
      {isGone(error) ? (
        <Notice
          icon={MessageSquareDashed}
          title="There is no such conversation"
          actions={
            <Button size="small" asChild>
              <Link to="/">Start a new one</Link>
            </Button>
          }
        >
          It may have been deleted, or it belongs to another account.
        </Notice>
      ) : (
        <Notice
          icon={ServerCrash}
          tone="danger"
          title="This conversation could not be loaded"
          actions={
            <Button size="small" onClick={onRetry}>
              Try again
            </Button>
          }
        >
          {error.message}
        </Notice>
      )}
    </div>
  )
}

export function ChatView(props: ChatViewProps) {
  const { sessionId, isNew } = props
  const composer = useRef<ComposerHandle>(null)
  const draftKey = isNew ? "new" : sessionId
  const sent = useRef<{ draftKey: string; text: string } | null>(null)
  const stick = useRef<StickToBottomContext>(null)
  const conversation = useConversation({
    sessionId,
    branch: props.branch,
    isNew,
    isListedAsRunning: props.isListedAsRunning,
    onStart: props.onStart,
    onAccepted: () => {
      if (sent.current) settleDraft(sent.current.draftKey, sent.current.text)
      sent.current = null
      props.onAccepted()
    },
    onBalance: props.onBalance,
    onTurnEnd: props.onTurnEnd,
    onRefused: (text, found) => {
      sent.current = null
      // What was typed meanwhile is worth more than what was refused.
      if (text !== "" && composer.current?.text() === "") composer.current.put(text)
      props.onRefused(found)
    },
  })
  const { messages, stored, failure, isBusy } = conversation
  const passage = usePassagePanel(() => composer.current?.focus())
  const blockedSeconds = useCountdown(failure?.kind === "rate-limit" ? failure.retryAt : null)

  const retry = () => {
    // The refused text stands in the composer and may have been changed there: then that is what is sent.
    const typed = composer.current?.text().trim() ?? ""
    const refused = conversation.refusedText()
    if (refused === null) {
      void conversation.retry()
      return
    }
    composer.current?.take()
    sent.current = { draftKey, text: typed === "" ? refused : typed }
    void (typed === "" || typed === refused ? conversation.retry() : conversation.send(typed))
  }

  const notice = failure ? (
    <FailureNotice failure={failure} onRetry={retry} isBusy={isBusy} onWatch={() => void conversation.watch()} onDismiss={conversation.dismiss} />
  ) : null

  return (
    <CitationViewContext value={passage.view}>
      <div className="flex min-h-0 flex-1">
        <StickToBottom contextRef={stick} className="relative flex min-h-0 min-w-0 flex-1 flex-col" resize="smooth" initial="instant">
          {stored.isPending ? (
            <Waiting label="Loading the conversation" />
          ) : stored.error && messages.length === 0 ? (
            <div className="min-h-0 flex-1 overflow-y-auto">
              <LoadFailure error={stored.error} onRetry={() => void stored.refresh()} />
            </div>
          ) : messages.length === 0 && !isBusy ? (
            <div className="min-h-0 flex-1 overflow-y-auto">
              <EmptyChat
                name={props.name}
                onPick={(text) => {
                  composer.current?.put(text)
                  composer.current?.focus()
                }}
              />
            </div>
          ) : (
            <StickToBottom.Content scrollClassName="min-h-0 flex-1 overflow-y-auto overscroll-contain scroll-quiet" className="flex flex-col">
              <MessageList
                messages={messages}
                isBusy={isBusy}
                hasEarlier={stored.hasEarlier}
                isLoadingEarlier={stored.isLoadingEarlier}
                onLoadEarlier={stored.loadEarlier}
                onEdit={(messageId, text) => void conversation.edit(messageId, text)}
                onRegenerate={(messageId) => void conversation.regenerate(messageId)}
                onSwitch={props.onSwitchBranch}
                notice={notice}
              />
            </StickToBottom.Content>
          )}
          <AnswerAnnouncer messages={messages} isBusy={isBusy} />
          <div className="relative mx-auto w-full max-w-[48rem] px-3 pb-[max(0.75rem,env(safe-area-inset-bottom))] sm:px-5">
            <ScrollToEnd />
            {messages.length === 0 && notice ? <div className="mb-3">{notice}</div> : null}
            {conversation.link === "down" ? (
              <p role="status" className="mb-2 text-center text-sm text-warn">
                Connection lost. Reconnecting…
              </p>
            ) : null}
            <Composer
              draftKey={draftKey}
              handle={composer}
              isBusy={isBusy}
              isStopping={conversation.isStopping}
              isBlocked={blockedSeconds > 0 || (stored.error !== null && messages.length === 0)}
              onSend={(text) => {
                void stick.current?.scrollToBottom()
                sent.current = { draftKey, text }
                void conversation.send(text)
              }}
              onStop={() => void conversation.stop()}
            />
            <p className="mt-2 hidden text-center text-xs text-ink-faint sm:block">
              Answers can be wrong. Check what matters against its source.
            </p>
          </div>
        </StickToBottom>
        {passage.opened ? <PassagePanel opened={passage.opened} onMove={passage.move} onClose={passage.close} /> : null}
      </div>
    </CitationViewContext>
  )
}
