import { useToast } from "@/components/ui/toast"
import { isUnsettled, type Upload } from "@/features/documents/upload-queue"
import { uploads, useUploads } from "@/features/documents/upload-store"
import { count } from "@/features/documents/document-words"
import { allDocuments } from "@/lib/api/documents"
import { useQueryClient } from "@tanstack/react-query"
import { Upload as UploadIcon } from "lucide-react"
import { useEffect, useEffectEvent } from "react"
import { Link, useMatch } from "react-router"

/** Asks before the page is left while files are on their way: only the browser's own words are shown. */
function useLeaveWarning(isWanted: boolean) {
  useEffect(() => {
    if (!isWanted) return
    const warn = (event: BeforeUnloadEvent) => event.preventDefault()
    addEventListener("beforeunload", warn)
    return () => removeEventListener("beforeunload", warn)
  }, [isWanted])
}

const isDone = ({ state }: Upload) => state === "done" || state === "duplicate"

/** Looks after uploads wherever the person is: what arrived is told and shown, and away from the page they have a sign. */
export function UploadWatch() {
  const list = useUploads()
  const client = useQueryClient()
  const toast = useToast()
  const isOnPage = useMatch("/documents") !== null
  const unsettled = list.filter(isUnsettled).length
  const done = list.filter(isDone).length
  useLeaveWarning(unsettled > 0)

  const refresh = useEffectEvent(() => void client.invalidateQueries(allDocuments))
  useEffect(() => {
    if (done > 0) refresh()
  }, [done])

  const tellArrived = useEffectEvent(() => {
    const arrived = list.filter(({ state }) => state === "done").length
    if (arrived === 0) return
    toast(`${count(arrived, "file")} uploaded. Once ready, ${arrived === 1 ? "it is" : "they are"} part of your answers.`)
    uploads.forgetDone()
  })
  useEffect(() => {
    if (unsettled === 0) tellArrived()
  }, [unsettled])

  if (unsettled === 0 || isOnPage) return null
  return (
    <Link
      to="/documents"
      aria-label={`Uploading ${count(unsettled, "file")}`}
      className="inline-flex h-9 items-center gap-2 rounded-full border border-line bg-surface px-3 text-sm text-ink-soft tabular-nums transition-colors hover:bg-hover"
    >
      <UploadIcon aria-hidden className="size-4 text-accent" /> {unsettled}
    </Link>
  )
}
