import { Button } from "@/components/ui/button"
import { Notice } from "@/components/ui/notice"
import { Waiting } from "@/components/ui/spinner"
import { useBalance } from "@/features/tokens/balance-context"
import { FilterBar } from "@/features/tokens/filter-bar"
import { isBackwards, isNarrowed, readFilter, toTransactionFilter, writeFilter } from "@/features/tokens/history-filter"
import { describeTransaction, signedTokens } from "@/features/tokens/transaction-words"
import { UsageSummary } from "@/features/tokens/usage-summary"
import { transactionsQuery, type TransactionFilter } from "@/lib/api/tokens"
import type { Transaction } from "@/lib/api/types"
import { cn } from "@/lib/cn"
import { formatMoment, groupByDay } from "@/lib/dates"
import { formatMoney } from "@/lib/money"
import { useInfiniteQuery } from "@tanstack/react-query"
import { ServerCrash } from "lucide-react"
import { Link, useSearchParams } from "react-router"

const LINK = "underline decoration-line-strong/50 underline-offset-4 hover:text-ink"

function Entry({ transaction }: { transaction: Transaction }) {
  const { session_id: sessionId, tokens, balance_after: balanceAfter, purchase_id: purchaseId, price_minor: priceMinor, currency } = transaction
  return (
    <li className="flex items-baseline gap-4 border-b border-line py-3 last:border-b-0">
      <span className="min-w-0 flex-1">
        <span className="block">{describeTransaction(transaction)}</span>
        <span className="block text-sm text-ink-faint">
          <time dateTime={transaction.created_at}>{formatMoment(transaction.created_at)}</time>
          {purchaseId === null || priceMinor === null || currency === null ? null : (
            <>
              {" · "}
              {transaction.type === "purchase" ? `${formatMoney(priceMinor, currency)} paid · ` : ""}
              <Link to={`/receipt/${purchaseId}`} className={LINK}>
                {transaction.type === "purchase" ? "Receipt" : "See the purchase"}
              </Link>
            </>
          )}
          {sessionId === null ? null : (
            <>
              {" · "}
              <Link to={`/c/${sessionId}`} className={LINK}>
                Open the conversation
              </Link>
            </>
          )}
        </span>
      </span>
      <span className="text-right tabular-nums">
        <span className={cn("block font-medium", tokens > 0 && "text-accent")}>{signedTokens(tokens)}</span>
        {balanceAfter === null ? null : <span className="block text-sm text-ink-faint">{balanceAfter} left</span>}
      </span>
    </li>
  )
}

function Entries({ filter, isAll }: { filter: TransactionFilter; isAll: boolean }) {
  const query = useInfiniteQuery(transactionsQuery(filter))
  if (query.isPending) return <Waiting label="Loading your token history" />
  if (query.isError) {
    return (
      <Notice
        icon={ServerCrash}
        tone="danger"
        title="Your token history could not be loaded"
        actions={
          <Button size="small" onClick={() => void query.refetch()}>
            Try again
          </Button>
        }
      >
        {query.error.message}
      </Notice>
    )
  }
  const transactions = query.data.pages.flatMap((page) => page.items)
  if (transactions.length === 0) {
    return (
      <p className="py-10 text-ink-soft">
        {isAll ? "Nothing has happened yet. Your first question will appear here." : "There is nothing of this kind in that time."}
      </p>
    )
  }
  return (
    <>
      {groupByDay(transactions, (transaction) => transaction.created_at).map((group) => (
        <section key={group.label} aria-label={group.label} className="mb-8">
          <h2 className="text-sm font-medium text-ink-faint">{group.label}</h2>
          <ul>
            {group.items.map((transaction) => (
              <Entry key={transaction.id} transaction={transaction} />
            ))}
          </ul>
        </section>
      ))}
      {query.hasNextPage ? (
        <Button className="w-full" disabled={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
          {query.isFetchingNextPage ? "Loading…" : "Show older entries"}
        </Button>
      ) : null}
    </>
  )
}

export function TokenHistory() {
  const { tokens } = useBalance()
  const [query, setQuery] = useSearchParams()
  const filter = readFilter(query)
  return (
    <div className="min-h-0 flex-1 overflow-y-auto scroll-quiet">
      <div className="mx-auto max-w-2xl px-5 py-8 sm:py-10">
        <header className="mb-8 flex flex-wrap items-end justify-between gap-4">
          <div>
            <h1 className="font-serif text-3xl font-medium tracking-tight">Token history</h1>
            <p className="mt-1.5 text-ink-soft">Every token that came or went. One question costs one token.</p>
          </div>
          <div className="flex items-center gap-4">
            <p className="text-ink-soft">
              <span className="font-serif text-3xl font-medium text-ink tabular-nums">{tokens ?? "—"}</span> left
            </p>
            <Button look="primary" asChild>
              <Link to="/purchase-tokens">Buy tokens</Link>
            </Button>
          </div>
        </header>
        <UsageSummary />
        <FilterBar filter={filter} onChange={(changed) => setQuery(writeFilter(changed), { replace: true })} />
        {isBackwards(filter) ? null : <Entries filter={toTransactionFilter(filter)} isAll={!isNarrowed(filter)} />}
      </div>
    </div>
  )
}
