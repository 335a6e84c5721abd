import { openCheckout } from "@/features/billing/checkout"
import type { Intent } from "@/features/billing/intent"
import { useEffect, useRef, useState } from "react"
import { useNavigate } from "react-router"

type CheckoutState = { tier: Intent["tier"] | null; error: unknown }

const idle: CheckoutState = { tier: null, error: null }

/** Leads to the payment page. `tier` is the pack whose page is being opened; it stays set until the browser has left. */
export function useCheckout() {
  const navigate = useNavigate()
  const [state, setState] = useState(idle)
  const isBusy = useRef(false)

  useEffect(() => {
    // Back from the payment page, a browser may show this one as it was left.
    const wake = (event: PageTransitionEvent) => {
      if (!event.persisted) return
      isBusy.current = false
      setState(idle)
    }
    addEventListener("pageshow", wake)
    return () => removeEventListener("pageshow", wake)
  }, [])

  /** `makeIntent` is called for the first of several clicks only. */
  async function open(makeIntent: () => Intent): Promise<void> {
    if (isBusy.current) return
    isBusy.current = true
    const intent = makeIntent()
    setState({ tier: intent.tier, error: null })
    try {
      const step = await openCheckout(intent)
      if (step.kind === "pay") {
        location.assign(step.url)
        return
      }
      await navigate(`/payment-success?purchase_id=${step.purchaseId}`)
    } catch (error) {
      setState({ tier: null, error })
    }
    isBusy.current = false
  }

  return { ...state, open, dismiss: () => setState(idle) }
}
