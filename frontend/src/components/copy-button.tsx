import { IconButton } from "@/components/ui/button"
import { Check, Copy } from "lucide-react"
import { useEffect, useState } from "react"

const SHOWN_FOR_MS = 1_800

export function CopyButton({ text, label, className }: { text: string; label: string; className?: string }) {
  const [result, setResult] = useState<"copied" | "failed" | null>(null)
  useEffect(() => {
    if (result === null) return
    const timer = setTimeout(() => setResult(null), SHOWN_FOR_MS)
    return () => clearTimeout(timer)
  }, [result])

  async function copy() {
    try {
      await navigator.clipboard.writeText(text)
      setResult("copied")
    } catch {
      setResult("failed")
    }
  }

  const shownLabel = result === "copied" ? "Copied" : result === "failed" ? "Copying is not allowed here" : label
  return (
    <IconButton label={shownLabel} size="iconSmall" className={className} onClick={() => void copy()}>
      {result === "copied" ? <Check className="text-accent" /> : <Copy />}
      <span role="status" className="sr-only">
        {result === null ? "" : shownLabel}
      </span>
    </IconButton>
  )
}
