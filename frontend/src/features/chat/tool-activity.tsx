import { Dots } from "@/components/ui/spinner"
import { CircleAlert, Search, FileText, Library, Wrench, type LucideIcon } from "lucide-react"
import { getToolName, type DynamicToolUIPart, type ToolUIPart } from "ai"

type Wording = { icon: LucideIcon; doing: string; did: string }

const wordings: Record<string, Wording> = {
  retrieve_relevant_documents: { icon: Search, doing: "Searching documents", did: "Searched documents" },
  list_documents: { icon: Library, doing: "Looking through the documents", did: "Looked through the documents" },
  get_document_content: { icon: FileText, doing: "Reading a document", did: "Read a document" },
}

function wordingOf(name: string): Wording {
  const readable = name.replaceAll("_", " ")
  return wordings[name] ?? { icon: Wrench, doing: `Working: ${readable}`, did: `Used: ${readable}` }
}

/** One quiet line per tool call: what the agent is doing, then what it did. */
export function ToolActivity({ part, isLive }: { part: ToolUIPart | DynamicToolUIPart; isLive: boolean }) {
  const { icon: Icon, doing, did } = wordingOf(getToolName(part))
  const isOver = part.state === "output-available"
  const hasFailed = part.state === "output-error" || (!isOver && !isLive)
  return (
    <p className="my-2 flex items-center gap-2 text-sm text-ink-faint first:mt-0">
      {hasFailed ? <CircleAlert aria-hidden className="size-4" /> : <Icon aria-hidden className="size-4" />}
      <span>{hasFailed ? `${doing} did not work` : isOver ? did : `${doing}…`}</span>
      {isOver || hasFailed ? null : <Dots />}
    </p>
  )
}
