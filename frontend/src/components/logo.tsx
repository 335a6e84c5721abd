import { cn } from "@/lib/cn"
import { productName } from "@/lib/product"

export function Mark({ className }: { className?: string }) {
  return (
    <svg viewBox="0 0 32 32" aria-hidden className={cn("size-7 text-accent", className)}>
      <path fill="currentColor" d="M16 3a13 13 0 1 1-6.6 24.2L4 29l1.8-5.4A13 13 0 0 1 16 3Z" />
      <path fill="var(--paper)" d="m16 9.500 1.700 4.800 4.800 1.700-4.800 1.700-1.700 4.800-1.700-4.800L9.500 16l4.800-1.700z" />
    </svg>
  )
}

export function Logo({ className }: { className?: string }) {
  return (
    <span className={cn("inline-flex items-center gap-2.5", className)}>
      <Mark />
      <span className="font-serif text-lg font-semibold tracking-tight">{productName}</span>
    </span>
  )
}
