import { IconButton } from "@/components/ui/button"
import { readDraft, writeDraft } from "@/features/chat/draft"
import { ArrowUp, Square } from "lucide-react"
import { useEffect, useImperativeHandle, useRef, useState, type Ref } from "react"

export type ComposerHandle = { focus: () => void; put: (text: string) => void; take: () => void; text: () => string }

type ComposerProps = {
  draftKey: string
  handle: Ref<ComposerHandle>
  isBusy: boolean
  isStopping: boolean
  /** Sending would be refused right now; typing is fine. */
  isBlocked: boolean
  onSend: (text: string) => void
  onStop: () => void
}

const ROWS_MAX_PX = 240

/** Where questions are written. What is in it is never lost: not by a refusal, a reload or a new sign-in. */
export function Composer({ draftKey, handle, isBusy, isStopping, isBlocked, onSend, onStop }: ComposerProps) {
  const area = useRef<HTMLTextAreaElement>(null)
  const [text, setText] = useState(() => readDraft(draftKey))

  const change = (next: string) => {
    setText(next)
    writeDraft(draftKey, next)
  }

  useEffect(() => {
    const element = area.current
    if (!element) return
    element.style.height = "auto"
    element.style.height = `${Math.min(element.scrollHeight, ROWS_MAX_PX)}px`
  }, [text])

  useImperativeHandle(handle, () => ({ focus: () => area.current?.focus(), put: change, take: () => setText(""), text: () => text }))

  const canSend = text.trim() !== "" && !isBusy && !isBlocked
  const send = () => {
    if (!canSend) return
    const question = text.trim()
    // Only from the screen: it stays stored until the server has it, see settleDraft.
    setText("")
    onSend(question)
  }

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        send()
      }}
      className="flex items-end gap-2 rounded-3xl border border-line-strong/50 bg-surface p-2 pl-5 shadow-float transition-colors focus-within:border-accent"
    >
      <textarea
        ref={area}
        id="composer"
        aria-label="Message"
        autoFocus={matchMedia("(hover: hover)").matches}
        placeholder="Ask a question"
        rows={1}
        dir="auto"
        value={text}
        onChange={(event) => change(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return
          event.preventDefault()
          send()
        }}
        className="max-h-60 min-w-0 flex-1 resize-none bg-transparent py-2 text-base leading-6 outline-none! scroll-quiet"
      />
      {isBusy ? (
        <IconButton label={isStopping ? "Stopping" : "Stop"} look="outline" className="size-10 rounded-full" disabled={isStopping} onClick={onStop}>
          <Square className="size-3.5! fill-current" />
        </IconButton>
      ) : (
        <IconButton label="Send" type="submit" look="primary" className="size-10 rounded-full" disabled={!canSend}>
          <ArrowUp className="size-5!" />
        </IconButton>
      )}
    </form>
  )
}
