import { BuyPage } from "@/features/billing/buy-page"
import { ReceiptPage } from "@/features/billing/receipt-page"
import { SuccessPage } from "@/features/billing/success-page"
import { readDraft } from "@/features/chat/draft"
import { useBalance } from "@/features/tokens/balance-context"
import { useSession } from "@/lib/auth/use-session"
import { chatToReturnTo } from "@/lib/purchase-path"
import { useQueryClient } from "@tanstack/react-query"
import { useSearchParams } from "react-router"

export function BuyRoute() {
  const { tokens } = useBalance()
  const [query] = useSearchParams()
  return <BuyPage balance={tokens} next={chatToReturnTo(query.get("next"))} />
}

/** What is written but not sent in the chat at an address. */
function questionAt(next: string): string {
  const sessionId = /^\/c\/([^?]+)/.exec(next)?.[1]
  return readDraft(sessionId ?? "new").trim()
}

export function SuccessRoute() {
  const { tokens, reread } = useBalance()
  const client = useQueryClient()
  return (
    <SuccessPage
      balance={tokens}
      question={questionAt}
      onCredited={() => {
        reread()
        void client.invalidateQueries({ queryKey: ["transactions"] })
      }}
    />
  )
}

export function ReceiptRoute() {
  const session = useSession()
  return <ReceiptPage email={session.status === "signed-in" ? session.email : ""} />
}
