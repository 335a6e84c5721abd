import { CopyButton } from "@/components/copy-button"
import { Markdown } from "@/components/markdown/markdown"
import { IconButton } from "@/components/ui/button"
import { Dots } from "@/components/ui/spinner"
import { BranchSwitcher } from "@/features/chat/branch-switcher"
import { AnswerCitationsContext } from "@/features/chat/citation-context"
import { CitationMark } from "@/features/chat/citation-mark"
import { citationsOf, copyTextOf, splitByUse } from "@/features/chat/citations"
import { textOf, type ChatMessage } from "@/features/chat/messages"
import { Sources } from "@/features/chat/sources"
import { ToolActivity } from "@/features/chat/tool-activity"
import { isToolUIPart } from "ai"
import { RotateCcw } from "lucide-react"
import { useMemo } from "react"

type AssistantMessageProps = {
  message: ChatMessage
  /** This very answer is being written now. */
  isLive: boolean
  isBusy: boolean
  onRegenerate: (messageId: string) => void
  onSwitch: (messageId: string) => void
}

const endings: Partial<Record<string, string>> = {
  stopped: "You stopped this answer.",
  failed: "This answer broke off before its end.",
}

function hasVisibleText(message: ChatMessage): boolean {
  return textOf(message).trim() !== ""
}

function AnswerParts({ message, isLive }: { message: ChatMessage; isLive: boolean }) {
  return message.parts.map((part, index) => {
    // Parts only ever grow at the end, so their place is their identity.
    const key = `${part.type}-${index}`
    if (part.type === "text") return <Markdown key={key} text={part.text} isStreaming={isLive} mark={CitationMark} />
    if (isToolUIPart(part)) return <ToolActivity key={key} part={part} isLive={isLive} />
    if (part.type === "reasoning" && part.text.trim() !== "") {
      return (
        <details key={key} className="my-2 text-sm text-ink-soft">
          <summary className="w-fit cursor-pointer rounded text-ink-faint hover:text-ink">Thoughts</summary>
          <p className="mt-2 border-l-2 border-line pl-4 whitespace-pre-wrap">{part.text}</p>
        </details>
      )
    }
    return null
  })
}

export function AssistantMessage({ message, isLive, isBusy, onRegenerate, onSwitch }: AssistantMessageProps) {
  const ending = endings[message.metadata?.status ?? ""]
  const isWaitingForText = isLive && message.parts.every((part) => !isToolUIPart(part)) && !hasVisibleText(message)
  const { cited, uncited } = useMemo(() => splitByUse(message, citationsOf(message)), [message])
  return (
    <article aria-label="Answer" aria-busy={isLive} data-live={isLive} className="group pt-2">
      <AnswerCitationsContext value={cited}>
        <AnswerParts message={message} isLive={isLive} />
      </AnswerCitationsContext>
      {isWaitingForText ? <Dots className="h-7 text-ink-faint" /> : null}
      {isLive ? null : (
        <>
          <Sources message={message} cited={cited} uncited={uncited} />
          {ending ? <p className="mt-3 text-sm text-ink-faint">{ending}</p> : null}
          <div className="mt-2 -ml-2 flex h-8 items-center gap-0.5">
            <CopyButton text={copyTextOf(message)} label="Copy answer" />
            <IconButton label="Answer again (one token)" size="iconSmall" disabled={isBusy} onClick={() => onRegenerate(message.id)}>
              <RotateCcw />
            </IconButton>
            <BranchSwitcher message={message} noun="answer" isDisabled={isBusy} onSwitch={onSwitch} />
          </div>
        </>
      )}
    </article>
  )
}
