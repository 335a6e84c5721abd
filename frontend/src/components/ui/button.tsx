import { cn } from "@/lib/cn"
import { cva, type VariantProps } from "class-variance-authority"
import { Slot } from "radix-ui"
import type { ComponentProps } from "react"

const buttonStyle = cva(
  "inline-flex shrink-0 items-center justify-center gap-2 rounded-lg font-medium whitespace-nowrap transition-colors disabled:pointer-events-none disabled:opacity-45 [&_svg]:size-4 [&_svg]:shrink-0",
  {
    variants: {
      look: {
        primary: "bg-accent text-on-accent hover:bg-accent-strong",
        outline: "border border-line bg-surface text-ink hover:bg-hover",
        quiet: "text-ink-soft hover:bg-hover hover:text-ink",
        danger: "bg-danger text-paper hover:opacity-90",
        link: "h-auto! p-0! text-accent underline decoration-accent/40 underline-offset-4 hover:decoration-current",
      },
      size: {
        regular: "h-10 px-4 text-[0.9375rem]",
        small: "h-8 px-3 text-sm",
        icon: "size-9",
        iconSmall: "size-8 [&_svg]:size-[0.95rem]",
      },
    },
    defaultVariants: { look: "outline", size: "regular" },
  },
)

type ButtonProps = ComponentProps<"button"> & VariantProps<typeof buttonStyle> & { asChild?: boolean }

export function Button({ className, look, size, asChild = false, type = "button", ...props }: ButtonProps) {
  const style = cn(buttonStyle({ look, size }), className)
  return asChild ? <Slot.Root className={style} {...props} /> : <button type={type} className={style} {...props} />
}

/** A button that shows only an icon; `label` is its name for everyone who cannot see it, and its hint. */
export function IconButton({ label, size = "icon", look = "quiet", ...props }: ButtonProps & { label: string }) {
  return <Button aria-label={label} title={label} size={size} look={look} {...props} />
}
