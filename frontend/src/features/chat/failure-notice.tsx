import { Button } from "@/components/ui/button"
import { Notice } from "@/components/ui/notice"
import type { Failure } from "@/features/chat/failures"
import { useCountdown } from "@/features/chat/use-countdown"
import { purchasePath } from "@/lib/purchase-path"
import { CloudOff, Coins, Hourglass, LogIn, MessageSquareDashed, ScrollText, ServerCrash, Unplug } from "lucide-react"
import { Link, useLocation } from "react-router"

type FailureNoticeProps = { failure: Failure; isBusy: boolean; onRetry: () => void; onWatch: () => void; onDismiss: () => void }

function RateLimited({ retryAt, onRetry, onDismiss }: { retryAt: number; onRetry: () => void; onDismiss: () => void }) {
  const seconds = useCountdown(retryAt)
  const button = (
    <Button size="small" look="primary" disabled={seconds > 0} onClick={onRetry} className="tabular-nums">
      {seconds > 0 ? `Send again in ${seconds} s` : "Send again"}
    </Button>
  )
  return (
    <Notice icon={Hourglass} tone="warn" title="That was a lot at once" onDismiss={onDismiss} actions={button}>
      Only a few questions a minute are possible. Nothing was charged, and your question is still in the box below.
    </Notice>
  )
}

function NoTokens({ onDismiss }: { onDismiss: () => void }) {
  const { pathname, search } = useLocation()
  const ways = (
    <>
      <Button size="small" look="primary" asChild>
        <Link to={purchasePath(pathname + search)}>Buy tokens</Link>
      </Button>
      <Button size="small" asChild>
        <Link to="/token-history">See where they went</Link>
      </Button>
    </>
  )
  return (
    <Notice icon={Coins} tone="warn" title="You have no tokens left" onDismiss={onDismiss} actions={ways}>
      Each question costs one token. Your question was not sent; it stays in the box below.
    </Notice>
  )
}

/** One clear state for every refusal: what happened, what it cost, and what to do now. */
export function FailureNotice({ failure, isBusy, onRetry, onWatch, onDismiss }: FailureNoticeProps) {
  const retry = (label: string) => (
    <Button size="small" look="outline" onClick={onRetry}>
      {label}
    </Button>
  )
  switch (failure.kind) {
    case "no-tokens":
      return <NoTokens onDismiss={onDismiss} />
    case "rate-limit":
      return <RateLimited retryAt={failure.retryAt} onRetry={onRetry} onDismiss={onDismiss} />
    case "signed-out":
      return (
        <Notice icon={LogIn} tone="warn" title="Your session has ended">
          Sign in again to go on. Your question is kept.
        </Notice>
      )
    case "offline":
      return (
        <Notice icon={CloudOff} tone="warn" title="The server cannot be reached" onDismiss={onDismiss} actions={retry("Try again")}>
          Check your connection. Your question is in the box below; sending it again is never charged twice.
        </Notice>
      )
    case "lost":
      return (
        <Notice icon={Unplug} tone="warn" title="The connection was lost" actions={retry("Reconnect")}>
          The answer goes on being written and will be here when you are back.
        </Notice>
      )
    case "busy":
      return (
        <Notice
          icon={MessageSquareDashed}
          title="Another answer is being written in this conversation"
          onDismiss={onDismiss}
          actions={
            isBusy ? null : (
              <Button size="small" onClick={onWatch}>
                Watch it
              </Button>
            )
          }
        >
          It may have been asked in another tab. Yours was not sent: it waits in the box below.
        </Notice>
      )
    case "too-long":
      return (
        <Notice icon={ScrollText} tone="warn" title="Your question is too long" onDismiss={onDismiss}>
          Shorten it and send it again. Nothing was charged.
        </Notice>
      )
    case "invalid":
      return (
        <Notice icon={ScrollText} tone="warn" title="This could not be sent" onDismiss={onDismiss}>
          {failure.message} Nothing was charged.
        </Notice>
      )
    case "gone":
      return (
        <Notice icon={MessageSquareDashed} tone="warn" title="This is no longer there" onDismiss={onDismiss}>
          The conversation or message was deleted meanwhile. Nothing was charged.
        </Notice>
      )
    case "mixed-up":
      return (
        <Notice icon={MessageSquareDashed} tone="warn" title="This was not sent" onDismiss={onDismiss} actions={retry("Send again")}>
          It was taken for an earlier question. Nothing was charged, and your question is in the box below.
        </Notice>
      )
    case "unavailable":
      return (
        <Notice icon={ServerCrash} tone="warn" title="Your question did not get through" onDismiss={onDismiss} actions={retry("Try again")}>
          {failure.message} It is in the box below; sending it again is never charged twice.
        </Notice>
      )
    case "server":
      return (
        <Notice icon={ServerCrash} tone="danger" title="Something went wrong on our side" onDismiss={onDismiss} actions={retry("Try again")}>
          Your question is in the box below; sending it again is never charged twice.
          {failure.reference ? <span className="mt-1 block text-sm text-ink-faint">Reference: {failure.reference}</span> : null}
        </Notice>
      )
    case "answer":
      return (
        <Notice
          icon={ServerCrash}
          tone="danger"
          title={failure.returned ? "No answer came" : "The answer broke off"}
          onDismiss={onDismiss}
          actions={retry("Ask again")}
        >
          {failure.message} {failure.returned ? "Your token was returned." : "What was written so far is kept; it used one token."}
        </Notice>
      )
  }
}
