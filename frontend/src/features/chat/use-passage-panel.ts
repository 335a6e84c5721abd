import type { CitationView } from "@/features/chat/citation-context"
import type { OpenPassage } from "@/features/chat/passage-panel"
import { useMemo, useRef, useState } from "react"

/** Which passage stands beside the chat, and where the focus goes when it closes: to the mark that opened it. */
export function usePassagePanel(onFocusLost: () => void) {
  const [opened, setOpened] = useState<OpenPassage | null>(null)
  const opener = useRef<Element | null>(null)
  const activeChunkId = opened?.citations[opened.index]?.chunkId ?? null
  const view = useMemo<CitationView>(
    () => ({
      activeChunkId,
      open: (citation, among) => {
        opener.current = document.activeElement
        setOpened({ citations: among, index: among.indexOf(citation) })
      },
    }),
    [activeChunkId],
  )
  return {
    view,
    opened,
    move: (index: number) => setOpened((current) => (current ? { ...current, index } : current)),
    close: () => {
      setOpened(null)
      // After the panel has let go of it.
      requestAnimationFrame(() => {
        if (opener.current instanceof HTMLElement && opener.current.isConnected) opener.current.focus()
        else onFocusLost()
      })
    },
  }
}
