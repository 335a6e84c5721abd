import { Logo } from "@/components/logo"
import { Button } from "@/components/ui/button"
import { ConversationList } from "@/features/chat/conversation-list"
import { cn } from "@/lib/cn"
import { Archive, ArrowLeft, Library, SquarePen } from "lucide-react"
import { useState } from "react"
import { Link, useMatch, useNavigate } from "react-router"

/** Conversations, a way to a new one, and the archive behind them. `onOpen` is called on every way out. */
export function Sidebar({ onOpen }: { onOpen: () => void }) {
  const [isArchive, setIsArchive] = useState(false)
  const navigate = useNavigate()
  const isOnDocuments = useMatch("/documents/*") !== null
  const openId = useMatch("/c/:sessionId")?.params.sessionId
  return (
    <>
      <div className="flex h-14 shrink-0 items-center px-5">
        <Link to="/" onClick={onOpen} className="rounded-md">
          <Logo />
        </Link>
      </div>
      <div className="px-3 pb-4">
        <Button asChild className="w-full justify-start px-3">
          <Link to="/" onClick={onOpen}>
            <SquarePen aria-hidden /> New chat
          </Link>
        </Button>
        <Button
          asChild
          look="quiet"
          className={cn("mt-1.5 w-full justify-start px-3", isOnDocuments && "bg-hover text-ink")}
        >
          <Link to="/documents" onClick={onOpen} aria-current={isOnDocuments ? "page" : undefined}>
            <Library aria-hidden /> Documents
          </Link>
        </Button>
      </div>
      <nav aria-label={isArchive ? "Archived conversations" : "Conversations"} className="min-h-0 flex-1 overflow-y-auto px-3 scroll-quiet">
        {isArchive ? <h2 className="px-3 pb-3 font-serif text-lg font-medium">Archive</h2> : null}
        <ConversationList
          isArchive={isArchive}
          onOpen={onOpen}
          onGone={(sessionId) => {
            if (sessionId === openId) void navigate("/", { replace: true })
          }}
        />
      </nav>
      <div className="border-t p-3">
        <Button look="quiet" size="small" className="w-full justify-start" onClick={() => setIsArchive(!isArchive)}>
          {isArchive ? <ArrowLeft aria-hidden /> : <Archive aria-hidden />}
          {isArchive ? "Back to conversations" : "Archive"}
        </Button>
      </div>
    </>
  )
}
