import { cn } from "@/lib/cn"
import { useId, useState } from "react"

type ChoiceProps<Value extends string> = {
  label: string
  value: Value
  options: readonly { value: Value; label: string }[]
  onChange: (value: Value) => void
  className?: string
}

/** One of a few, all in sight: radio buttons drawn as one control. */
export function Choice<Value extends string>({ label, value, options, onChange, className }: ChoiceProps<Value>) {
  const name = useId()
  // What is chosen shows at once, also where the answer to it (an address, say) follows a moment later.
  const [shown, setShown] = useState(value)
  const [known, setKnown] = useState(value)
  if (value !== known) {
    setKnown(value)
    setShown(value)
  }
  return (
    <fieldset className={cn("flex h-9 rounded-lg border border-line-strong/70 bg-surface p-0.5 text-sm", className)}>
      <legend className="sr-only">{label}</legend>
      {options.map((option) => (
        <label
          key={option.value}
          className="relative grid flex-1 cursor-pointer place-items-center rounded-md px-3 whitespace-nowrap text-ink-soft transition-colors hover:text-ink has-checked:bg-hover has-checked:font-medium has-checked:text-ink has-focus-visible:outline-2 has-focus-visible:outline-offset-1 has-focus-visible:outline-accent"
        >
          <input
            type="radio"
            name={name}
            value={option.value}
            checked={option.value === shown}
            onChange={() => {
              setShown(option.value)
              onChange(option.value)
            }}
            className="absolute inset-0 cursor-pointer opacity-0"
          />
          {option.label}
        </label>
      ))}
    </fieldset>
  )
}
