import { Button } from "@/components/ui/button"
import { Dots } from "@/components/ui/spinner"
import { BillingFailure } from "@/features/billing/billing-failure"
import { isUndecided } from "@/features/billing/checkout"
import { describePaymentFailure } from "@/features/billing/failure-words"
import { keepIntent, readIntent, renewIntent } from "@/features/billing/intent"
import { BillingPage, Outcome } from "@/features/billing/page-frame"
import { UnknownPurchase } from "@/features/billing/unknown-purchase"
import { useCheckout } from "@/features/billing/use-checkout"
import { usePurchase } from "@/features/billing/use-purchase"
import type { Purchase, Tier } from "@/lib/api/types"
import { formatMoney } from "@/lib/money"
import { CircleSlash } from "lucide-react"
import { Link, Navigate, useSearchParams } from "react-router"

function NotPaid({ purchase }: { purchase: Purchase }) {
  const checkout = useCheckout()
  const isClosed = purchase.status === "failed" || purchase.status === "expired"
  const kept = readIntent()
  const next = kept?.purchaseId === purchase.id ? kept.next : null
  const tryAgain = () =>
    checkout.open(() => {
      const intent = { tier: purchase.tier as Tier, purchaseId: purchase.id, next }
      if (isClosed) return renewIntent(intent)
      keepIntent(intent)
      return intent
    })
  const reason = purchase.failure_code ? describePaymentFailure(purchase.failure_code) : null
  const price = formatMoney(purchase.price_minor, purchase.currency)
  return (
    <Outcome
      icon={CircleSlash}
      tone={reason ? "warn" : "calm"}
      // Of an open purchase that is not known: the news of a payment may be on its way.
      title={isClosed ? "Nothing was charged" : "No payment so far"}
      actions={
        <>
          <Button look="primary" disabled={checkout.tier !== null} onClick={() => void tryAgain()}>
            {checkout.tier === null ? (
              "Try again"
            ) : (
              <>
                Opening <Dots />
              </>
            )}
          </Button>
          <Button asChild>
            <Link to={next ? `/purchase-tokens?next=${encodeURIComponent(next)}` : "/purchase-tokens"}>Choose another pack</Link>
          </Button>
        </>
      }
    >
      {isClosed ? (
        <p>
          {reason
            ? `${reason} The ${purchase.tokens} tokens for ${price} were not bought.`
            : `The payment of ${price} for ${purchase.tokens} tokens was not finished in time.`}
        </p>
      ) : (
        <>
          <p>
            {reason} No payment of {price} for {purchase.tokens} tokens has reached us. You can go on whenever you like.
          </p>
          <p className="text-sm">
            Already paid? You need not pay again: the tokens arrive by themselves, and this page shows them as soon as they do.
          </p>
        </>
      )}
      {checkout.error ? (
        <BillingFailure className="text-left" error={checkout.error} onRetry={() => void tryAgain()} onDismiss={checkout.dismiss} />
      ) : null}
    </Outcome>
  )
}

function NoPurchaseNamed() {
  return (
    <Outcome
      icon={CircleSlash}
      tone="calm"
      title="The payment was not finished"
      actions={
        <>
          <Button look="primary" asChild>
            <Link to="/purchase-tokens">Choose a pack</Link>
          </Button>
          <Button asChild>
            <Link to="/token-history">Token history</Link>
          </Button>
        </>
      }
    >
      <p>A payment that is not finished is never charged. What you did buy stands in your token history.</p>
    </Outcome>
  )
}

/** Where a cancelled or failed payment leads. The server is asked what really happened. */
export function FailurePage() {
  const [query] = useSearchParams()
  const purchaseId = query.get("purchase_id")
  const state = usePurchase(purchaseId)
  if (purchaseId === null) return <NoPurchaseNamed />
  if (state.kind === "unknown") return <UnknownPurchase />
  if (state.kind === "loading") {
    return (
      <BillingPage>
        <div className="grid min-h-40 place-items-center text-ink-faint">
          <Dots label="Looking up your purchase" />
        </div>
        {state.isUnreachable ? <p className="text-center text-warn">The server cannot be reached right now. We keep trying.</p> : null}
      </BillingPage>
    )
  }
  const { purchase } = state
  if (purchase.status === "paid" || purchase.status === "flagged" || purchase.status === "closed" || isUndecided(purchase)) {
    return <Navigate to={`/payment-success?purchase_id=${purchase.id}`} replace />
  }
  return <NotPaid purchase={purchase} />
}
