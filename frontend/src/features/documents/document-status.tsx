import { adviceFor, statusWords } from "@/features/documents/document-words"
import type { DocumentStatus } from "@/lib/api/documents"
import type { Document } from "@/lib/api/types"
import { cn } from "@/lib/cn"
import { CircleAlert, CircleCheck, CircleSlash, Clock, LoaderCircle, Lock, Users, type LucideIcon } from "lucide-react"

const looks: Record<DocumentStatus, { icon: LucideIcon; className: string; iconClassName?: string }> = {
  pending: { icon: Clock, className: "text-ink-soft" },
  indexing: { icon: LoaderCircle, className: "text-accent", iconClassName: "animate-spin" },
  indexed: { icon: CircleCheck, className: "text-accent" },
  failed: { icon: CircleAlert, className: "text-danger" },
  not_indexed: { icon: CircleSlash, className: "text-warn" },
}

/** The state in a word, with an icon of its own: colour is an addition. */
export function StatusLabel({ status }: { status: DocumentStatus }) {
  const { icon: Icon, className, iconClassName } = looks[status]
  return (
    <span data-status={status} className={cn("inline-flex items-center gap-1.5 font-medium whitespace-nowrap", className)}>
      <Icon aria-hidden className={cn("size-3.5 shrink-0", iconClassName)} />
      {statusWords[status]}
    </span>
  )
}

/** Who may read it. */
export function AudienceBadge({ document }: { document: Pick<Document, "is_shared"> }) {
  const Icon = document.is_shared ? Users : Lock
  return (
    <span className="inline-flex shrink-0 items-center gap-1 rounded-full border border-line px-2 py-px text-xs text-ink-soft">
      <Icon aria-hidden className="size-3" />
      {document.is_shared ? "Shared" : "Private"}
    </span>
  )
}

/** What went wrong and what to do about it. */
export function FaultWords({ document, className }: { document: Document; className?: string }) {
  if (document.error === null) return null
  const advice = adviceFor(document)
  return (
    <p className={cn("text-sm text-pretty break-words", document.status === "failed" ? "text-danger" : "text-warn", className)}>
      {document.error.message}
      {advice === null ? null : <span className="text-ink-soft"> {advice}</span>}
      {/* The last attempt failed, but what was read before is still searched. */}
      {document.status === "failed" && document.chunk_count > 0 ? <span className="text-ink-soft"> Until then its earlier text is used.</span> : null}
    </p>
  )
}
