import { Button } from "@/components/ui/button"
import { Dots } from "@/components/ui/spinner"
import { AssistantMessage } from "@/features/chat/assistant-message"
import { textOf, type ChatMessage } from "@/features/chat/messages"
import { UserMessage } from "@/features/chat/user-message"
import { ArrowDown } from "lucide-react"
import { useLayoutEffect, useRef, useState, type ReactNode, type RefObject } from "react"
import { useStickToBottomContext } from "use-stick-to-bottom"

type MessageListProps = {
  messages: ChatMessage[]
  isBusy: boolean
  hasEarlier: boolean
  isLoadingEarlier: boolean
  onLoadEarlier: () => Promise<void>
  onEdit: (messageId: string, text: string) => void
  onRegenerate: (messageId: string) => void
  onSwitch: (messageId: string) => void
  notice: ReactNode
}

/** Keeps what is being read in place when older messages appear above it. */
function useAnchoredPrepend(firstId: string | undefined, scrollRef: RefObject<HTMLElement | null>) {
  const before = useRef<{ firstId: string | undefined; height: number } | null>(null)
  useLayoutEffect(() => {
    const scroller = scrollRef.current
    const remembered = before.current
    if (!remembered || !scroller || remembered.firstId === firstId) return
    before.current = null
    scroller.scrollBy({ top: scroller.scrollHeight - remembered.height, behavior: "instant" })
  }, [firstId, scrollRef])
  return () => {
    before.current = { firstId, height: scrollRef.current?.scrollHeight ?? 0 }
  }
}

export function MessageList(props: MessageListProps) {
  const { messages, isBusy } = props
  const { scrollRef } = useStickToBottomContext()
  const rememberPlace = useAnchoredPrepend(messages[0]?.id, scrollRef)
  const last = messages.at(-1)
  return (
    <div className="mx-auto w-full max-w-[46rem] px-5 pt-6 pb-8">
      {props.hasEarlier ? (
        <div className="mb-6 flex justify-center">
          <Button
            size="small"
            disabled={props.isLoadingEarlier}
            onClick={() => {
              rememberPlace()
              void props.onLoadEarlier()
            }}
          >
            {props.isLoadingEarlier ? "Loading…" : "Show earlier messages"}
          </Button>
        </div>
      ) : null}
      {messages.map((message) =>
        message.role === "user" ? (
          <UserMessage key={message.id} message={message} isBusy={isBusy} onEdit={props.onEdit} onSwitch={props.onSwitch} />
        ) : (
          <AssistantMessage
            key={message.id}
            message={message}
            isLive={isBusy && message === last}
            isBusy={isBusy}
            onRegenerate={props.onRegenerate}
            onSwitch={props.onSwitch}
          />
        ),
      )}
      {isBusy && last?.role === "user" ? <Dots className="mt-6 text-ink-faint" /> : null}
      {!isBusy && !props.notice && last?.role === "user" ? (
        <Unanswered wasReturned={last.metadata?.status === "released"} onAskAgain={() => props.onRegenerate(last.id)} />
      ) : null}
      {props.notice ? <div className="mt-6">{props.notice}</div> : null}
    </div>
  )
}

/** A question that was left without an answer, found again later. */
function Unanswered({ wasReturned, onAskAgain }: { wasReturned: boolean; onAskAgain: () => void }) {
  return (
    <p className="mt-2 flex flex-wrap items-center gap-3 text-sm text-ink-faint">
      {wasReturned ? "No answer came. Your token was returned." : "There is no answer to this."}
      <Button size="small" onClick={onAskAgain}>
        Ask again
      </Button>
    </p>
  )
}

export function ScrollToEnd() {
  const { isAtBottom, scrollToBottom } = useStickToBottomContext()
  if (isAtBottom) return null
  return (
    <Button
      aria-label="Scroll to the end"
      size="icon"
      className="absolute -top-12 left-1/2 -translate-x-1/2 rounded-full shadow-float animate-fade"
      onClick={() => void scrollToBottom()}
    >
      <ArrowDown />
    </Button>
  )
}

/** Tells screen readers that an answer begins and, when it is whole, what it says; not every word as it comes. */
export function AnswerAnnouncer({ messages, isBusy }: { messages: ChatMessage[]; isBusy: boolean }) {
  const [wasBusy, setWasBusy] = useState(false)
  if (isBusy && !wasBusy) setWasBusy(true)
  const last = messages.at(-1)
  const hasAnswered = !isBusy && wasBusy && last?.role === "assistant"
  return (
    <p aria-live="polite" className="sr-only">
      {isBusy ? "Writing an answer…" : hasAnswered ? `Answer: ${textOf(last)}` : ""}
    </p>
  )
}
