import { Button } from "@/components/ui/button"
import { Dots } from "@/components/ui/spinner"
import type { Package } from "@/lib/api/types"
import { cn } from "@/lib/cn"
import { formatMoney, formatUnitPrice } from "@/lib/money"

type PackageCardProps = { pack: Package; saving: number; isOpening: boolean; isDisabled: boolean; onBuy: () => void }

export function PackageCard({ pack, saving, isOpening, isDisabled, onBuy }: PackageCardProps) {
  const price = formatMoney(pack.price_minor, pack.currency)
  const name = `${pack.tokens} tokens`
  return (
    <li
      aria-label={name}
      className={cn(
        "relative flex flex-col rounded-2xl border bg-surface p-5",
        pack.is_best_value ? "border-accent shadow-float" : "border-line",
      )}
    >
      {pack.is_best_value ? (
        <p className="absolute -top-3 left-4 rounded-full bg-accent px-2.5 py-0.5 text-xs font-semibold text-on-accent">Best value</p>
      ) : null}
      <p className="flex items-baseline gap-1.5">
        <span className="font-serif text-4xl font-medium tracking-tight tabular-nums">{pack.tokens}</span>
        <span className="text-ink-soft">tokens</span>
      </p>
      <p className="mt-3 flex items-baseline justify-between gap-2 tabular-nums">
        <span className="text-lg font-medium">{price}</span>
        {saving > 0 ? <span className="text-sm font-medium text-accent">save {saving}%</span> : null}
      </p>
      <p className="text-sm text-ink-faint tabular-nums">{formatUnitPrice(pack.price_minor / pack.tokens, pack.currency)} a token</p>
      <Button
        look={pack.is_best_value ? "primary" : "outline"}
        className="mt-5 w-full"
        aria-label={isOpening ? "Opening the payment page" : `Buy ${name} for ${price}`}
        disabled={isDisabled}
        aria-busy={isOpening}
        onClick={onBuy}
      >
        {isOpening ? (
          <>
            Opening <Dots />
          </>
        ) : (
          `Buy for ${price}`
        )}
      </Button>
    </li>
  )
}
