import { Button } from "@/components/ui/button"
import { Dots } from "@/components/ui/spinner"
import { isUndecided } from "@/features/billing/checkout"
import { readIntent, endIntent } from "@/features/billing/intent"
import { Outcome } from "@/features/billing/page-frame"
import { UnknownPurchase } from "@/features/billing/unknown-purchase"
import { useIsSlow, usePurchase } from "@/features/billing/use-purchase"
import type { Purchase } from "@/lib/api/types"
import { formatMoney } from "@/lib/money"
import { Check, LifeBuoy, Undo2 } from "lucide-react"
import { useEffect, useEffectEvent, useState } from "react"
import { Link, Navigate, useSearchParams } from "react-router"

function Waiting({ purchase, isUnreachable }: { purchase: Purchase | null; isUnreachable: boolean }) {
  const isLong = purchase !== null && isUndecided(purchase)
  const isSlow = useIsSlow() || isLong
  return (
    <Outcome
      icon={() => <Dots />}
      tone="calm"
      title={isSlow ? "Your payment is still being confirmed" : "Confirming your payment"}
      actions={
        isSlow ? (
          <>
            <Button asChild>
              <Link to="/token-history">Token history</Link>
            </Button>
            <Button asChild>
              <Link to="/">Go to the chat</Link>
            </Button>
          </>
        ) : null
      }
    >
      {isSlow ? (
        <p>
          {isLong ? "Some ways of paying take days." : "This takes longer than usual."} You need not pay again, nor wait here:
          the tokens arrive by themselves, and this page shows them as soon as they do.
        </p>
      ) : (
        <p>{purchase ? `${purchase.tokens} tokens will be here in a moment.` : "Your tokens will be here in a moment."}</p>
      )}
      {isLong ? <p className="text-sm">Not paid? Then this purchase soon closes by itself, and you can buy again.</p> : null}
      {isUnreachable ? <p className="text-sm text-warn">The server cannot be reached right now. We keep trying.</p> : null}
      {isSlow && purchase?.checkout_url ? (
        <p className="text-sm">
          Not paid yet?{" "}
          <a href={purchase.checkout_url} className="text-accent underline decoration-accent/40 underline-offset-4 hover:decoration-current">
            Back to the payment page
          </a>
        </p>
      ) : null}
    </Outcome>
  )
}

function ReceiptLink({ purchase }: { purchase: Purchase }) {
  return (
    <Button asChild>
      <Link to={`/receipt/${purchase.id}`}>Receipt</Link>
    </Button>
  )
}

function Flagged({ purchase }: { purchase: Purchase }) {
  return (
    <Outcome
      icon={LifeBuoy}
      tone="warn"
      title="We are looking into this payment"
      actions={
        <Button asChild>
          <Link to="/token-history">Token history</Link>
        </Button>
      }
    >
      <p>Something about it does not match what was ordered, so no tokens were added yet. Please do not pay again; it is sorted out by hand.</p>
      <p className="text-sm break-words">
        If you write to us, name this purchase: <span className="font-mono text-[0.8125rem]">{purchase.id}</span>
      </p>
    </Outcome>
  )
}

/** It was flagged, and nothing about it is left to decide. */
function Closed({ purchase }: { purchase: Purchase }) {
  useEffect(() => endIntent(purchase.id), [purchase.id])
  return (
    <Outcome
      icon={Undo2}
      tone="calm"
      title="This purchase is closed"
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
      <p>Its payment did not match what was ordered, and was given back or settled by the operator. You can buy again.</p>
      <p className="text-sm break-words">
        If you write to us, name this purchase: <span className="font-mono text-[0.8125rem]">{purchase.id}</span>
      </p>
    </Outcome>
  )
}

function tellTakenBack({ dispute, refunded_minor, currency, tokens, tokens_credited }: Purchase): [title: string, text: string] {
  if (dispute === "open") {
    return ["This payment is disputed", "Its tokens are held back while the bank decides, and come back if the payment stands."]
  }
  if (dispute === "lost") return ["This payment was taken back", "The bank gave the money back to the card, so its tokens are gone too."]
  const refunded = formatMoney(refunded_minor, currency)
  return ["This purchase was refunded", `${refunded} went back to your card. Of its ${tokens} tokens, ${tokens_credited} remain.`]
}

function TakenBack({ purchase }: { purchase: Purchase }) {
  // It was paid all the same: who wants such a pack again begins another purchase.
  useEffect(() => endIntent(purchase.id), [purchase.id])
  const [title, text] = tellTakenBack(purchase)
  return (
    <Outcome
      icon={Undo2}
      tone="calm"
      title={title}
      actions={
        <>
          <Button asChild>
            <Link to="/token-history">Token history</Link>
          </Button>
          <ReceiptLink purchase={purchase} />
        </>
      }
    >
      <p>{text}</p>
    </Outcome>
  )
}

type CreditedProps = { purchase: Purchase; balance: number | null; question: (next: string) => string }

function Credited({ purchase, balance, question }: CreditedProps) {
  // Kept, because the purchase is over and forgotten as soon as this is shown.
  const [next] = useState(() => {
    const intent = readIntent()
    return intent?.purchaseId === purchase.id ? (intent.next ?? "/") : "/"
  })
  useEffect(() => endIntent(purchase.id), [purchase.id])
  const waiting = question(next)
  return (
    <Outcome
      icon={Check}
      tone="good"
      title={`${purchase.tokens_credited} tokens are yours`}
      actions={
        <>
          <Button look="primary" asChild>
            <Link to={next}>{waiting !== "" ? "Back to your question" : next === "/" ? "Ask a question" : "Back to the conversation"}</Link>
          </Button>
          <ReceiptLink purchase={purchase} />
        </>
      }
    >
      <p>
        Thank you. You now have{" "}
        <strong className="font-semibold text-ink tabular-nums" data-testid="new-balance">
          {balance ?? "…"}
        </strong>{" "}
        {balance === 1 ? "token" : "tokens"}.
      </p>
      {waiting === "" ? null : (
        <p className="rounded-xl border border-line bg-surface px-4 py-3 text-left">
          <span className="block text-sm text-ink-faint">Not sent yet</span>
          <span className="line-clamp-3 break-words text-ink" dir="auto">
            {waiting}
          </span>
        </p>
      )}
    </Outcome>
  )
}

type SuccessPageProps = {
  balance: number | null
  /** The question that is written but not sent in the chat at this address; empty for none. */
  question: (next: string) => string
  /** The server says that the tokens are there. */
  onCredited: () => void
}

/** Where the payment page leads back to. It promises nothing that the server does not know. */
export function SuccessPage({ balance, question, onCredited }: SuccessPageProps) {
  const [query] = useSearchParams()
  const state = usePurchase(query.get("purchase_id"))
  const status = state.kind === "known" ? state.purchase.status : null
  const announce = useEffectEvent(onCredited)
  useEffect(() => {
    if (status === "paid") announce()
  }, [status])

  if (state.kind === "unknown") return <UnknownPurchase />
  if (state.kind === "loading") return <Waiting purchase={null} isUnreachable={state.isUnreachable} />
  const { purchase } = state
  switch (purchase.status) {
    case "created":
    case "open":
      return <Waiting purchase={purchase} isUnreachable={state.isUnreachable} />
    case "failed":
    case "expired":
      return <Navigate to={`/payment-failure?purchase_id=${purchase.id}`} replace />
    case "flagged":
      return <Flagged purchase={purchase} />
    case "closed":
      return <Closed purchase={purchase} />
    case "paid": {
      const isWhole = purchase.tokens_credited >= purchase.tokens
      return isWhole ? <Credited purchase={purchase} balance={balance} question={question} /> : <TakenBack purchase={purchase} />
    }
  }
}
