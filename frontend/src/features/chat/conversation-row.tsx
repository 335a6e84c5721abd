import { IconButton } from "@/components/ui/button"
import { Menu, MenuContent, MenuItem, MenuSeparator, MenuTrigger } from "@/components/ui/menu"
import { Dots } from "@/components/ui/spinner"
import type { Conversation } from "@/lib/api/types"
import { cn } from "@/lib/cn"
import { Archive, ArchiveRestore, Ellipsis, Pencil, Trash2 } from "lucide-react"
import { useRef, useState } from "react"
import { NavLink } from "react-router"

export const UNTITLED = "New conversation"
const TITLE_CHARACTERS_MAX = 200

type ConversationRowProps = {
  conversation: Conversation
  onRename: (title: string) => void
  onArchive: () => void
  onDelete: () => void
  onOpen: () => void
}

function TitleEditor({ title, onDone }: { title: string; onDone: (title: string | null) => void }) {
  const [value, setValue] = useState(title)
  // Escape takes the focus away too, and that must not save.
  const isOver = useRef(false)
  const finish = (result: string | null) => {
    if (isOver.current) return
    isOver.current = true
    onDone(result === "" || result === title ? null : result)
  }
  return (
    <input
      autoFocus
      aria-label="Name of the conversation"
      value={value}
      maxLength={TITLE_CHARACTERS_MAX}
      onFocus={(event) => event.target.select()}
      onChange={(event) => setValue(event.target.value)}
      onBlur={() => finish(value.trim())}
      onKeyDown={(event) => {
        if (event.key === "Enter") finish(value.trim())
        if (event.key === "Escape") {
          event.stopPropagation()
          finish(null)
        }
      }}
      className="h-9 w-full rounded-lg bg-surface px-3 text-sm"
    />
  )
}

export function ConversationRow({ conversation, onRename, onArchive, onDelete, onOpen }: ConversationRowProps) {
  const [isRenaming, setIsRenaming] = useState(false)
  const renameNext = useRef(false)
  const title = conversation.title ?? UNTITLED
  if (isRenaming) {
    return (
      <TitleEditor
        title={title}
        onDone={(next) => {
          setIsRenaming(false)
          if (next !== null) onRename(next)
        }}
      />
    )
  }
  return (
    <div className="group/row relative">
      <NavLink
        to={`/c/${conversation.session_id}`}
        onClick={onOpen}
        title={title}
        className={({ isActive }) =>
          cn(
            "flex h-9 items-center gap-2 rounded-lg pr-10 pl-3 text-sm transition-colors hover:bg-hover",
            isActive ? "bg-hover font-medium text-ink" : "text-ink-soft",
          )
        }
      >
        <span className="truncate" dir="auto">
          {title}
        </span>
        {conversation.is_running ? <Dots className="shrink-0 text-accent" label="Being answered" /> : null}
      </NavLink>
      <Menu>
        <MenuTrigger asChild>
          <IconButton
            label={`Options for ${title}`}
            size="iconSmall"
            className="absolute top-0.5 right-0.5 opacity-0 transition-opacity group-focus-within/row:opacity-100 group-hover/row:opacity-100 focus-visible:opacity-100 data-[state=open]:opacity-100 [@media(hover:none)]:opacity-100"
          >
            <Ellipsis />
          </IconButton>
        </MenuTrigger>
        <MenuContent
          align="start"
          onCloseAutoFocus={(event) => {
            if (!renameNext.current) return
            renameNext.current = false
            event.preventDefault()
            setIsRenaming(true)
          }}
        >
          <MenuItem
            onSelect={() => {
              renameNext.current = true
            }}
          >
            <Pencil aria-hidden /> Rename
          </MenuItem>
          <MenuItem onSelect={onArchive}>
            {conversation.is_archived ? <ArchiveRestore aria-hidden /> : <Archive aria-hidden />}
            {conversation.is_archived ? "Move back" : "Archive"}
          </MenuItem>
          <MenuSeparator />
          <MenuItem onSelect={onDelete} className="text-danger [&_svg]:text-danger">
            <Trash2 aria-hidden /> Delete
          </MenuItem>
        </MenuContent>
      </Menu>
    </div>
  )
}
