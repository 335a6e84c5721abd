import { filesOf } from "@/features/documents/dropped-files"
import { FileUp } from "lucide-react"
import { useEffect, useEffectEvent, useState } from "react"

type DropAreaProps = { isShared: boolean; onFiles: (files: File[], hasFolders: boolean) => void }

const carriesFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") === true

/** Takes files that are dropped anywhere on the page, and says so while they hover. */
export function DropArea({ isShared, onFiles }: DropAreaProps) {
  const [isOver, setIsOver] = useState(false)
  const take = useEffectEvent(onFiles)
  useEffect(() => {
    // Entering a child comes before leaving its parent: only when all are left is the page left.
    let depth = 0
    const settle = (next: number) => {
      depth = Math.max(0, next)
      setIsOver(depth > 0)
    }
    const events = new AbortController()
    const on = (name: "dragenter" | "dragover" | "dragleave" | "drop", handle: (event: DragEvent) => void) =>
      addEventListener(
        name,
        (event) => {
          if (!carriesFiles(event)) return
          // Otherwise the browser would open the file in place of the page.
          event.preventDefault()
          handle(event)
        },
        { signal: events.signal },
      )
    on("dragenter", () => settle(depth + 1))
    on("dragover", (event) => {
      if (event.dataTransfer) event.dataTransfer.dropEffect = "copy"
    })
    on("dragleave", () => settle(depth - 1))
    on("drop", (event) => {
      settle(0)
      if (!event.dataTransfer) return
      const { files, hasFolders } = filesOf(event.dataTransfer)
      take(files, hasFolders)
    })
    return () => events.abort()
  }, [])

  if (!isOver) return null
  return (
    <div className="pointer-events-none fixed inset-0 z-50 grid place-items-center bg-paper/80 p-4 backdrop-blur-[2px] animate-fade">
      <div className="grid size-full place-items-center rounded-3xl border-2 border-dashed border-accent bg-accent-wash/60">
        <div className="text-center">
          <FileUp aria-hidden className="mx-auto size-10 text-accent" />
          <p className="mt-4 font-serif text-2xl font-medium">Let go to upload</p>
          <p className="mt-1 text-ink-soft">{isShared ? "Everyone will see what you upload." : "Only you will see what you upload."}</p>
        </div>
      </div>
    </div>
  )
}
