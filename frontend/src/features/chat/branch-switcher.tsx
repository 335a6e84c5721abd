import { IconButton } from "@/components/ui/button"
import type { ChatMessage } from "@/features/chat/messages"
import { ChevronLeft, ChevronRight } from "lucide-react"

type BranchSwitcherProps = { message: ChatMessage; noun: string; isDisabled: boolean; onSwitch: (messageId: string) => void }

/** "2/3": moves between versions of a question or of an answer. Absent where there is only one. */
export function BranchSwitcher({ message, noun, isDisabled, onSwitch }: BranchSwitcherProps) {
  const siblings = message.metadata?.sibling_ids ?? []
  const position = siblings.indexOf(message.id)
  if (siblings.length < 2 || position === -1) return null
  const step = (by: number, label: string, Icon: typeof ChevronLeft) => {
    const target = siblings[position + by]
    return (
      <IconButton
        label={label}
        size="iconSmall"
        className="size-7"
        disabled={isDisabled || target === undefined}
        onClick={() => {
          if (target !== undefined) onSwitch(target)
        }}
      >
        <Icon />
      </IconButton>
    )
  }
  return (
    <span role="group" aria-label={`Versions of this ${noun}`} className="inline-flex items-center text-sm text-ink-faint tabular-nums">
      {step(-1, `Previous version of this ${noun}`, ChevronLeft)}
      <span aria-current="true">
        {position + 1}/{siblings.length}
      </span>
      {step(1, `Next version of this ${noun}`, ChevronRight)}
    </span>
  )
}
