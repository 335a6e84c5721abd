import { refusalOf, type Room } from "@/features/documents/upload-checks"
import type { UploadOptions, UploadResult } from "@/lib/api/upload"
import { ApiError, NetworkError, isAbort } from "@/lib/errors"

const PARALLEL_MAX = 2
/** More than anyone drags on purpose, few enough to be listed. */
export const FILES_AT_ONCE_MAX = 200

export type Upload = {
  id: number
  file: File
  isShared: boolean
  sentBytes: number
} & (
  | { state: "waiting" | "sending" | "done" }
  | { state: "duplicate"; documentId: string }
  /** `canRetry`: the same file may fare better another time. */
  | { state: "failed"; words: string; canRetry: boolean }
)

type Send = (file: File, options: UploadOptions) => Promise<UploadResult>

export function failureOf(error: unknown): { words: string; canRetry: boolean } {
  if (error instanceof NetworkError) return { words: "The connection was lost before the file had arrived.", canRetry: true }
  if (error instanceof ApiError) return { words: error.message, canRetry: error.status >= 500 || [401, 408, 409, 429].includes(error.status) }
  return { words: "This file could not be read from your disk. It may have been moved or changed.", canRetry: true }
}

/** Sends files a few at a time. It outlives the page it is shown on, so that looking elsewhere cancels nothing. */
export class UploadQueue {
  private uploads: readonly Upload[] = []
  private nextId = 1
  private readonly running = new Map<number, AbortController>()
  private readonly listeners = new Set<() => void>()
  private readonly send: Send

  constructor(send: Send) {
    this.send = send
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  readonly snapshot = (): readonly Upload[] => this.uploads

  /** Files that would be refused are listed with the reason and not sent. */
  add(files: readonly File[], room: Room | null, isShared: boolean): void {
    const ahead = this.uploads.filter(isUnsettled)
    const queued = { documents: ahead.length, bytes: ahead.reduce((sum, { file }) => sum + file.size, 0) }
    const added = files.slice(0, FILES_AT_ONCE_MAX).map((file): Upload => {
      const base = { id: this.nextId++, file, isShared, sentBytes: 0 }
      const words = refusalOf(file, room, queued)
      if (words !== null) return { ...base, state: "failed", words, canRetry: false }
      queued.documents += 1
      queued.bytes += file.size
      return { ...base, state: "waiting" }
    })
    this.publish([...this.uploads, ...added])
    this.start()
  }

  retry(id: number): void {
    this.change(id, ({ file, isShared }) => ({ id, file, isShared, sentBytes: 0, state: "waiting" }))
    this.start()
  }

  /** Takes an upload off the list, and stops it where it is under way. */
  remove(id: number): void {
    this.publish(this.uploads.filter((upload) => upload.id !== id))
    this.running.get(id)?.abort()
  }

  /** What arrived, once it needs no more telling. */
  forgetDone(): void {
    this.publish(this.uploads.filter(({ state }) => state !== "done"))
  }

  /** Nothing more can be sent until the person is back; then each may be tried again. */
  interrupt(): void {
    const words = "Your session ended before this file had arrived."
    this.publish(this.uploads.map((upload) => (isUnsettled(upload) ? { ...upload, state: "failed", words, canRetry: true } : upload)))
    this.abort()
  }

  clear(): void {
    this.publish([])
    this.abort()
  }

  private abort(): void {
    for (const controller of this.running.values()) controller.abort()
  }

  private publish(uploads: readonly Upload[]): void {
    this.uploads = uploads
    this.listeners.forEach((listener) => listener())
  }

  private change(id: number, how: (upload: Upload) => Upload): void {
    this.publish(this.uploads.map((upload) => (upload.id === id ? how(upload) : upload)))
  }

  private start(): void {
    for (const upload of this.uploads) {
      if (this.running.size >= PARALLEL_MAX) return
      if (upload.state === "waiting" && !this.running.has(upload.id)) void this.run(upload)
    }
  }

  private async run({ id, file, isShared }: Upload): Promise<void> {
    const controller = new AbortController()
    this.running.set(id, controller)
    this.change(id, (upload) => ({ ...upload, state: "sending" }))
    try {
      const { document, isDuplicate } = await this.send(file, {
        isShared,
        signal: controller.signal,
        // A form is a little longer than the file in it.
        onProgress: (sentBytes) => this.change(id, (upload) => ({ ...upload, sentBytes: Math.min(sentBytes, file.size) })),
      })
      this.change(id, (upload) => (isDuplicate ? { ...upload, state: "duplicate", documentId: document.id } : { ...upload, state: "done" }))
    } catch (error) {
      if (!isAbort(error)) this.change(id, (upload) => ({ ...upload, state: "failed", ...failureOf(error) }))
    } finally {
      this.running.delete(id)
      this.start()
    }
  }
}

export function isUnsettled({ state }: Upload): boolean {
  return state === "waiting" || state === "sending"
}
