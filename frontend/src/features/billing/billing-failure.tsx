import { Button } from "@/components/ui/button"
import { Notice } from "@/components/ui/notice"
import { ApiError, NetworkError } from "@/lib/errors"
import { CloudOff, Hourglass, ServerCrash, Store } from "lucide-react"

export function isNotForSale(error: unknown): boolean {
  return error instanceof ApiError && error.code === "billing_unavailable"
}

/** Nothing is sold in this installation. */
export function NotForSale() {
  return (
    <Notice icon={Store} title="Tokens are not sold here">
      Payments are not set up in this installation. Whoever runs it can add tokens to your account.
    </Notice>
  )
}

type BillingFailureProps = { error: unknown; onRetry: () => void; onDismiss?: () => void; className?: string }

/** Why the payment page did not open, and that it cost nothing. */
export function BillingFailure({ error, onRetry, onDismiss, className }: BillingFailureProps) {
  if (isNotForSale(error)) return <NotForSale />
  const retry = (
    <Button size="small" onClick={onRetry}>
      Try again
    </Button>
  )
  const frame = { actions: retry, onDismiss, className }
  if (error instanceof NetworkError) {
    return (
      <Notice icon={CloudOff} tone="warn" title="The server cannot be reached" {...frame}>
        Check your connection. Nothing was charged, and trying again is never charged twice.
      </Notice>
    )
  }
  if (error instanceof ApiError && error.status === 429) {
    return (
      <Notice icon={Hourglass} tone="warn" title="That was a lot at once" {...frame}>
        Too many purchases were begun{waitWords(error.retryAfterSeconds)}. Nothing was charged.
      </Notice>
    )
  }
  if (error instanceof ApiError && error.status === 502) {
    return (
      <Notice icon={ServerCrash} tone="danger" title="The payment service does not answer" {...frame}>
        Nothing was charged. It is usually back within minutes; trying again is never charged twice.
      </Notice>
    )
  }
  const reference = error instanceof ApiError ? error.requestId : null
  return (
    <Notice icon={ServerCrash} tone="danger" title="The payment page could not be opened" {...frame}>
      Something went wrong on our side. Nothing was charged, and trying again is never charged twice.
      {reference ? <span className="mt-1 block text-sm text-ink-faint">Reference: {reference}</span> : null}
    </Notice>
  )
}

function waitWords(seconds: number | null): string {
  if (seconds === null || seconds < 1) return ""
  if (seconds < 90) return `; the next one is possible in ${seconds} seconds`
  return `; the next one is possible in ${Math.ceil(seconds / 60)} minutes`
}
