import { Button } from "@/components/ui/button"
import { Logo } from "@/components/logo"
import { Waiting } from "@/components/ui/spinner"
import { UnknownPurchase } from "@/features/billing/unknown-purchase"
import { usePurchase } from "@/features/billing/use-purchase"
import type { Purchase } from "@/lib/api/types"
import { formatDate } from "@/lib/dates"
import { formatMoney } from "@/lib/money"
import { productName } from "@/lib/product"
import { ArrowLeft, Printer } from "lucide-react"
import { useEffect, type ReactNode } from "react"
import { Link, useParams } from "react-router"

function Line({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div className="flex flex-wrap justify-between gap-x-6 gap-y-0.5 py-2.5">
      <dt className="text-ink-soft">{label}</dt>
      <dd className="min-w-0 font-medium wrap-anywhere tabular-nums">{children}</dd>
    </div>
  )
}

const disputes: Record<Purchase["dispute"], string | null> = {
  none: null,
  open: "The bank is looking into this payment",
  won: "Disputed; the payment stands",
  lost: "Disputed; the bank returned the payment",
}

function Receipt({ purchase, email }: { purchase: Purchase; email: string }) {
  const money = (minor: number) => formatMoney(minor, purchase.currency)
  const dispute = disputes[purchase.dispute]
  return (
    <article aria-label="Receipt" className="rounded-2xl border border-line bg-surface p-6 sm:p-8 print:border-0 print:p-0">
      <header className="flex items-start justify-between gap-4">
        <h1 className="font-serif text-3xl font-medium tracking-tight">Receipt</h1>
        <Logo />
      </header>
      <dl className="mt-6 divide-y divide-line border-y border-line">
        <Line label="Paid on">{purchase.paid_at ? formatDate(purchase.paid_at) : "Not paid"}</Line>
        <Line label="Account">{email}</Line>
        <Line label="Receipt number">{purchase.id}</Line>
      </dl>
      <dl className="mt-6 divide-y divide-line border-y border-line">
        <Line label={`${purchase.tokens} tokens`}>{money(purchase.price_minor)}</Line>
        {purchase.refunded_minor > 0 ? <Line label="Refunded">−{money(purchase.refunded_minor)}</Line> : null}
        <Line label="Total">{money(purchase.price_minor - purchase.refunded_minor)}</Line>
      </dl>
      {dispute ? <p className="mt-4 text-ink-soft">{dispute}.</p> : null}
      <p className="mt-6 text-sm text-ink-faint">Paid by card, in {purchase.currency.toUpperCase()}. A receipt of payment, not a tax invoice.</p>
    </article>
  )
}

/** A page of its own, so that printing it prints nothing else. */
export function ReceiptPage({ email }: { email: string }) {
  const { purchaseId = null } = useParams()
  const state = usePurchase(purchaseId)
  useEffect(() => {
    document.title = `Receipt – ${productName}`
  }, [])
  const isPaid = state.kind === "known" && state.purchase.status === "paid"
  return (
    <main className="h-full overflow-y-auto scroll-quiet print:h-auto print:overflow-visible">
      <div className="mx-auto max-w-xl px-5 py-8 sm:py-10 print:max-w-none print:p-0">
        <nav className="mb-6 flex items-center justify-between gap-3 print:hidden">
          <Button look="quiet" asChild className="-ml-3">
            <Link to="/token-history">
              <ArrowLeft aria-hidden /> Token history
            </Link>
          </Button>
          {isPaid ? (
            <Button onClick={() => print()}>
              <Printer aria-hidden />
              <span>
                Print<span className="max-sm:hidden"> or save as PDF</span>
              </span>
            </Button>
          ) : null}
        </nav>
        {state.kind === "loading" ? (
          <Waiting label="Loading the receipt" />
        ) : state.kind === "known" && isPaid ? (
          <Receipt purchase={state.purchase} email={email} />
        ) : state.kind === "unknown" ? (
          <UnknownPurchase />
        ) : (
          <p className="py-10 text-center text-ink-soft">This purchase was not paid, so there is no receipt.</p>
        )}
      </div>
    </main>
  )
}
