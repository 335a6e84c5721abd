import { Sidebar } from "@/app/sidebar"
import { IconButton } from "@/components/ui/button"
import { Sheet } from "@/components/ui/dialog"
import { clearIntent } from "@/features/billing/intent"
import { clearDrafts } from "@/features/chat/draft"
import { UNTITLED } from "@/features/chat/conversation-row"
import { UploadWatch } from "@/features/documents/upload-watch"
import { ProfileMenu } from "@/features/profile/profile-menu"
import { BalanceBadge } from "@/features/tokens/balance-badge"
import { BalanceProvider } from "@/features/tokens/balance-context"
import { LowBalanceHint } from "@/features/tokens/low-balance-hint"
import { conversationQuery, conversationsQuery } from "@/lib/api/conversations"
import { signOut } from "@/lib/auth/session"
import { useSession } from "@/lib/auth/use-session"
import { productName } from "@/lib/product"
import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query"
import { PanelLeft, SquarePen } from "lucide-react"
import { useEffect, useState } from "react"
import { Link, Outlet, useLocation, useMatch } from "react-router"

const pageTitles: Record<string, string | undefined> = {
  "/documents": "Documents",
  "/token-history": "Token history",
  "/purchase-tokens": "Buy tokens",
  "/payment-success": "Your purchase",
  "/payment-failure": "Your purchase",
}

function useTitle(): string {
  const sessionId = useMatch("/c/:sessionId")?.params.sessionId
  const page = pageTitles[useLocation().pathname.replace(/\/+$/, "")]
  const lists = useInfiniteQuery(conversationsQuery(false))
  const listed = lists.data?.pages.flatMap((page) => page.items).find((one) => one.session_id === sessionId)
  // On an older page of the list, or in the archive.
  const isElsewhere = sessionId !== undefined && lists.isSuccess && !lists.isFetching && !listed
  const { data } = useQuery({ ...conversationQuery(sessionId ?? ""), enabled: isElsewhere, retry: false })
  const title = page ?? (sessionId === undefined ? "" : ((listed ?? data)?.title ?? UNTITLED))
  // A document's page knows its title.
  const isOther = useMatch("/documents/:documentId") !== null
  useEffect(() => {
    if (isOther) return
    document.title = title === "" ? productName : `${title} – ${productName}`
  }, [title, isOther])
  // Those pages carry their title as a heading.
  return page === undefined ? title : ""
}

/** The frame around every page of a signed-in person. */
export function Shell() {
  const client = useQueryClient()
  const session = useSession()
  const location = useLocation()
  const [isSheetOpen, setIsSheetOpen] = useState(false)
  const title = useTitle()

  return (
    <BalanceProvider
      onChange={() => {
        void client.invalidateQueries({ queryKey: ["transactions"] })
        void client.invalidateQueries({ queryKey: ["purchases"] })
        void client.invalidateQueries({ queryKey: ["conversations", "list"] })
      }}
    >
      <a href="#main" className="sr-only focus:not-sr-only focus:fixed focus:top-3 focus:left-3 focus:z-50 focus:rounded-lg focus:bg-surface focus:px-4 focus:py-2 focus:shadow-float">
        Skip to the conversation
      </a>
      <div className="flex h-full">
        <aside aria-label="Conversations" className="hidden w-[17rem] shrink-0 flex-col border-r bg-sidebar lg:flex">
          <Sidebar onOpen={() => undefined} />
        </aside>
        <div className="flex min-w-0 flex-1 flex-col">
          <header className="flex h-14 shrink-0 items-center gap-2 px-3 sm:px-4">
            <IconButton label="Show conversations" className="lg:hidden" onClick={() => setIsSheetOpen(true)}>
              <PanelLeft />
            </IconButton>
            <p className="min-w-0 flex-1 truncate px-1 text-sm font-medium text-ink-soft" dir="auto">
              {title}
            </p>
            <IconButton label="New chat" className="lg:hidden" asChild>
              <Link to="/">
                <SquarePen />
              </Link>
            </IconButton>
            <UploadWatch />
            <LowBalanceHint />
            <BalanceBadge />
            <ProfileMenu
              email={session.status === "signed-in" ? session.email : ""}
              onSignOut={() => {
                clearDrafts()
                clearIntent()
                void signOut()
              }}
            />
          </header>
          <main id="main" tabIndex={-1} className="flex min-h-0 flex-1 flex-col outline-none">
            <Outlet />
          </main>
        </div>
      </div>
      <Sheet isOpen={isSheetOpen} onOpenChange={setIsSheetOpen} title="Conversations">
        <Sidebar key={location.key} onOpen={() => setIsSheetOpen(false)} />
      </Sheet>
    </BalanceProvider>
  )
}
