import { Waiting } from "@/components/ui/spinner"
import { BillingFailure } from "@/features/billing/billing-failure"
import { intendToBuy } from "@/features/billing/intent"
import { PackageCard } from "@/features/billing/package-card"
import { savingPercent } from "@/features/billing/packages"
import { BillingPage } from "@/features/billing/page-frame"
import { useCheckout } from "@/features/billing/use-checkout"
import { packagesQuery } from "@/lib/api/billing"
import type { Tier } from "@/lib/api/types"
import { useQuery } from "@tanstack/react-query"
import { Lock } from "lucide-react"
import { useState } from "react"
import { Link } from "react-router"

/** `next` is the chat to come back to after buying. */
function Packages({ next }: { next: string | null }) {
  const packages = useQuery(packagesQuery)
  const checkout = useCheckout()
  const [wanted, setWanted] = useState<Tier | null>(null)
  if (packages.isPending) return <Waiting label="Loading the packs" />
  if (packages.isError) return <BillingFailure error={packages.error} onRetry={() => void packages.refetch()} />
  const packs = packages.data.items
  const buy = (tier: Tier) => {
    setWanted(tier)
    void checkout.open(() => intendToBuy(tier, next))
  }
  return (
    <>
      {checkout.error ? (
        <BillingFailure
          className="mb-8"
          error={checkout.error}
          onRetry={() => {
            if (wanted) buy(wanted)
          }}
          onDismiss={checkout.dismiss}
        />
      ) : null}
      <ul className="grid gap-5 sm:grid-cols-3">
        {packs.map((pack) => (
          <PackageCard
            key={pack.tier}
            pack={pack}
            saving={savingPercent(pack, packs)}
            isOpening={checkout.tier === pack.tier}
            isDisabled={checkout.tier !== null}
            onBuy={() => buy(pack.tier)}
          />
        ))}
      </ul>
      <p role="status" className="sr-only">
        {checkout.tier === null ? "" : "Opening the payment page"}
      </p>
      <p className="mt-6 flex gap-2.5 text-sm text-ink-faint">
        <Lock aria-hidden className="mt-0.5 size-4 shrink-0" />
        You pay by card on a page of our payment provider, Stripe. Your card number never reaches us.
      </p>
    </>
  )
}

type BuyPageProps = { balance: number | null; next: string | null }

export function BuyPage({ balance, next }: BuyPageProps) {
  return (
    <BillingPage>
      <header className="mb-10 flex flex-wrap items-end justify-between gap-4">
        <div>
          <h1 className="font-serif text-3xl font-medium tracking-tight">Buy tokens</h1>
          <p className="mt-1.5 text-ink-soft">One question costs one token. What you buy does not expire.</p>
        </div>
        <Link to="/token-history" className="rounded-md text-ink-soft hover:text-ink">
          <span className="font-serif text-3xl font-medium text-ink tabular-nums">{balance ?? "—"}</span> left
        </Link>
      </header>
      <Packages next={next} />
    </BillingPage>
  )
}
