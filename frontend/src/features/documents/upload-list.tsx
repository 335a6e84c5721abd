import { Button, IconButton } from "@/components/ui/button"
import { count } from "@/features/documents/document-words"
import { isUnsettled, type Upload } from "@/features/documents/upload-queue"
import { uploads, useUploads } from "@/features/documents/upload-store"
import { formatBytes } from "@/lib/bytes"
import { Check, CircleAlert, Copy, FileUp, X } from "lucide-react"
import { Link } from "react-router"

function percentOf({ file, sentBytes }: Upload): number {
  return Math.floor((sentBytes / Math.max(1, file.size)) * 100)
}

function Progress({ upload }: { upload: Upload }) {
  const percent = percentOf(upload)
  return (
    <div
      role="progressbar"
      aria-label={`Uploading ${upload.file.name}`}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={percent}
      className="mt-1.5 h-1 overflow-hidden rounded-full bg-hover"
    >
      <div className="h-full rounded-full bg-accent transition-[width] duration-200" style={{ width: `${percent}%` }} />
    </div>
  )
}

function wordsOf(upload: Upload): string {
  const size = formatBytes(upload.file.size)
  switch (upload.state) {
    case "waiting":
      return `${size} · waits for its turn`
    case "sending":
      return upload.sentBytes >= upload.file.size ? `${size} · arrived, being stored` : `${size} · ${percentOf(upload)}%`
    case "done":
      return `${size} · uploaded`
    case "duplicate":
      return "You have uploaded this very file before."
    case "failed":
      return upload.words
  }
}

const icons = { waiting: FileUp, sending: FileUp, done: Check, duplicate: Copy, failed: CircleAlert }

function UploadRow({ upload }: { upload: Upload }) {
  const Icon = icons[upload.state]
  const isOver = !isUnsettled(upload)
  return (
    <li className="flex items-start gap-3 py-2.5">
      <Icon aria-hidden className={upload.state === "failed" ? "mt-0.5 size-4 shrink-0 text-danger" : "mt-0.5 size-4 shrink-0 text-ink-faint"} />
      <div className="min-w-0 flex-1">
        <p className="truncate text-sm font-medium" dir="auto" title={upload.file.name}>
          {upload.file.name}
        </p>
        <p className={upload.state === "failed" ? "text-sm text-danger" : "text-sm text-ink-faint tabular-nums"}>{wordsOf(upload)}</p>
        {upload.state === "sending" ? <Progress upload={upload} /> : null}
        {upload.state === "failed" && upload.canRetry ? (
          <Button size="small" className="mt-2" onClick={() => uploads.retry(upload.id)}>
            Try again
          </Button>
        ) : null}
        {upload.state === "duplicate" ? (
          <Button size="small" className="mt-2" asChild>
            <Link to={`/documents/${encodeURIComponent(upload.documentId)}`}>Show it</Link>
          </Button>
        ) : null}
      </div>
      <IconButton
        size="iconSmall"
        label={isOver ? `Dismiss ${upload.file.name}` : `Cancel the upload of ${upload.file.name}`}
        className="-mt-1 -mr-1"
        onClick={() => uploads.remove(upload.id)}
      >
        <X />
      </IconButton>
    </li>
  )
}

/** For screen readers: how many are done and what failed, not every percent. */
function announcementOf(list: readonly Upload[]): string {
  if (list.length === 0) return ""
  const failed = list.filter(({ state }) => state === "failed")
  const over = list.filter((upload) => !isUnsettled(upload)).length
  const progress = over === list.length ? "" : `Uploading: ${over} of ${list.length} files done. `
  return progress + failed.map((upload) => `${upload.file.name}: ${wordsOf(upload)}`).join(" ")
}

export function UploadList() {
  const list = useUploads()
  const unsettled = list.filter(isUnsettled).length
  return (
    <>
      <p role="status" className="sr-only">
        {announcementOf(list)}
      </p>
      {list.length === 0 ? null : (
        <section aria-label="Uploads" className="mb-6 rounded-xl border border-line bg-surface px-4 pt-3 pb-1.5">
          <div className="flex min-h-8 items-center justify-between gap-3">
            <h2 className="text-sm font-medium">{unsettled > 0 ? `Uploading ${count(unsettled, "file")}` : "Uploads"}</h2>
            {list.length > 1 ? (
              <Button size="small" look="quiet" className="-mr-2" onClick={() => uploads.clear()}>
                {unsettled > 0 ? "Cancel all" : "Dismiss all"}
              </Button>
            ) : null}
          </div>
          <ul className="max-h-72 divide-y divide-line overflow-y-auto scroll-quiet">
            {list.map((upload) => (
              <UploadRow key={upload.id} upload={upload} />
            ))}
          </ul>
        </section>
      )}
    </>
  )
}
