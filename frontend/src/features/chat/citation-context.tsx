import type { Citation } from "@/features/chat/citations"
import { createContext, useContext } from "react"

export type CitationView = {
  /** The passage shown beside the chat. */
  activeChunkId: string | null
  /** Shows a passage; previous and next go through `among`. */
  open: (citation: Citation, among: readonly Citation[]) => void
}

export const CitationViewContext = createContext<CitationView>({ activeChunkId: null, open: () => undefined })

/** The passages that the answer around cites, for its marks. */
export const AnswerCitationsContext = createContext<readonly Citation[]>([])

export function useCitationView(): CitationView {
  return useContext(CitationViewContext)
}
