import { count } from "@/features/documents/document-words"
import { figuresOf } from "@/features/documents/summary-figures"
import type { DocumentSummary } from "@/lib/api/types"
import { formatBytes } from "@/lib/bytes"

/** How much is there, and how much of one's own room is taken. */
export function SummaryLine({ summary }: { summary: DocumentSummary }) {
  const { limits, usage } = summary
  return (
    <div className="mb-6 space-y-0.5 text-sm text-ink-soft tabular-nums">
      <p data-testid="summary" aria-live="polite">
        {figuresOf(summary).join(" · ")}
      </p>
      <p className="text-ink-faint">
        Your uploads: {usage.documents.toLocaleString("en")} of {count(limits.documents_max, "document")}, {formatBytes(usage.bytes)} of{" "}
        {formatBytes(limits.total_max_bytes)}
      </p>
    </div>
  )
}
