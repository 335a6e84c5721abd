import { Button } from "@/components/ui/button"
import { Outcome } from "@/features/billing/page-frame"
import { SearchX } from "lucide-react"
import { Link } from "react-router"

export function UnknownPurchase() {
  return (
    <Outcome
      icon={SearchX}
      tone="calm"
      title="This account has no such purchase"
      actions={
        <>
          <Button asChild>
            <Link to="/token-history">Token history</Link>
          </Button>
          <Button asChild>
            <Link to="/purchase-tokens">Buy tokens</Link>
          </Button>
        </>
      }
    >
      <p>The address may be incomplete, or the purchase was made from another account: sign in with that one to see it.</p>
    </Outcome>
  )
}
