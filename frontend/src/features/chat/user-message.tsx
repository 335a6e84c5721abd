import { CopyButton } from "@/components/copy-button"
import { Button, IconButton } from "@/components/ui/button"
import { BranchSwitcher } from "@/features/chat/branch-switcher"
import { textOf, type ChatMessage } from "@/features/chat/messages"
import { Pencil } from "lucide-react"
import { useState } from "react"

type UserMessageProps = {
  message: ChatMessage
  isBusy: boolean
  onEdit: (messageId: string, text: string) => void
  onSwitch: (messageId: string) => void
}

function Editor({ text, onSave, onCancel }: { text: string; onSave: (text: string) => void; onCancel: () => void }) {
  const [value, setValue] = useState(text)
  const isReady = value.trim() !== "" && value.trim() !== text.trim()
  return (
    <form
      className="mb-4 w-full rounded-2xl border border-line-strong/50 bg-surface p-3 focus-within:border-accent"
      onSubmit={(event) => {
        event.preventDefault()
        if (isReady) onSave(value.trim())
      }}
    >
      <textarea
        autoFocus
        aria-label="Edit your message"
        value={value}
        rows={Math.min(10, value.split("\n").length + 1)}
        onChange={(event) => setValue(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") onCancel()
          if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
            event.preventDefault()
            event.currentTarget.form?.requestSubmit()
          }
        }}
        className="block w-full resize-none bg-transparent px-1.5 py-1 text-base outline-none!"
      />
      <div className="mt-2 flex flex-wrap items-center justify-end gap-2">
        <p className="mr-auto px-1.5 text-sm text-ink-faint">Asks again, for one token.</p>
        <Button size="small" look="quiet" onClick={onCancel}>
          Cancel
        </Button>
        <Button size="small" look="primary" type="submit" disabled={!isReady}>
          Send
        </Button>
      </div>
    </form>
  )
}

export function UserMessage({ message, isBusy, onEdit, onSwitch }: UserMessageProps) {
  const [isEditing, setIsEditing] = useState(false)
  const text = textOf(message)
  return (
    <article aria-label="You" className="group flex flex-col items-end pt-8 first:pt-0">
      {isEditing ? (
        <Editor
          text={text}
          onCancel={() => setIsEditing(false)}
          onSave={(next) => {
            setIsEditing(false)
            onEdit(message.id, next)
          }}
        />
      ) : (
        <>
          <p dir="auto" className="max-w-[min(34rem,88%)] rounded-2xl rounded-br-md bg-bubble px-4 py-2.5 text-base leading-relaxed wrap-anywhere whitespace-pre-wrap">
            {text}
          </p>
          <div className="mt-1 flex h-8 items-center gap-0.5">
            <span className="flex items-center gap-0.5 transition-opacity [@media(hover:hover)]:opacity-0 group-focus-within:opacity-100! group-hover:opacity-100!">
              <CopyButton text={text} label="Copy message" />
              <IconButton label="Edit message" size="iconSmall" disabled={isBusy} onClick={() => setIsEditing(true)}>
                <Pencil />
              </IconButton>
            </span>
            <BranchSwitcher message={message} noun="question" isDisabled={isBusy} onSwitch={onSwitch} />
          </div>
        </>
      )}
    </article>
  )
}
