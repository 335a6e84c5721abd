import { UploadQueue } from "@/features/documents/upload-queue"
import type { Document } from "@/lib/api/types"
import type { UploadOptions, UploadResult } from "@/lib/api/upload"
import { ApiError, NetworkError } from "@/lib/errors"
import { expect, test } from "vitest"

type Call = { file: File; options: UploadOptions; answer: (isDuplicate?: boolean) => void; fail: (error: unknown) => void }

/** A queue whose sending is in the test's hands. */
function startQueue() {
  const calls: Call[] = []
  const queue = new UploadQueue(
    (file, options) =>
      new Promise<UploadResult>((resolve, reject) => {
        options.signal.addEventListener("abort", () => reject(new DOMException("Cancelled", "AbortError")))
        const document = { id: `id of ${file.name}` } as Document
        calls.push({ file, options, answer: (isDuplicate = false) => resolve({ document, isDuplicate }), fail: reject })
      }),
  )
  const call = (index: number) => {
    const found = calls[index]
    if (!found) throw new Error(`nothing was sent as number ${index}`)
    return found
  }
  return { queue, calls, call, states: () => queue.snapshot().map(({ state }) => state) }
}

const files = (...names: string[]) => names.map((name) => new File(["text of it"], name))
const settled = () => new Promise((resolve) => setTimeout(resolve, 0))

test("two at a time, in order", async () => {
  const { queue, calls, call, states } = startQueue()
  queue.add(files("a.md", "b.md", "c.md"), null, false)
  expect(states()).toEqual(["sending", "sending", "waiting"])
  call(1).answer()
  await settled()
  expect(states()).toEqual(["sending", "done", "sending"])
  expect(calls.map(({ file }) => file.name)).toEqual(["a.md", "b.md", "c.md"])
})

test("progress counts the file, not the form around it", () => {
  const { queue, call } = startQueue()
  queue.add(files("a.md"), null, false)
  call(0).options.onProgress(4)
  expect(queue.snapshot()[0]?.sentBytes).toBe(4)
  call(0).options.onProgress(400)
  expect(queue.snapshot()[0]?.sentBytes).toBe(10)
})

test("what is taken off the list is stopped, and the next one begins", async () => {
  const { queue, calls, states } = startQueue()
  queue.add(files("a.md", "b.md", "c.md"), null, false)
  queue.remove(queue.snapshot()[0]?.id ?? 0)
  await settled()
  expect(calls[0]?.options.signal.aborted).toBe(true)
  expect(states()).toEqual(["sending", "sending"])
  expect(calls).toHaveLength(3)
})

test("what a session's end left unsent stays listed and can be sent again; what had arrived stays", async () => {
  const { queue, calls, call, states } = startQueue()
  queue.add(files("a.md", "b.md", "c.md", "d.md"), null, false)
  call(0).answer()
  await settled()
  queue.interrupt()
  await settled()
  expect(states()).toEqual(["done", "failed", "failed", "failed"])
  expect(calls[1]?.options.signal.aborted).toBe(true)
  expect(calls).toHaveLength(3)
  expect(queue.snapshot()[3]).toMatchObject({ canRetry: true, words: "Your session ended before this file had arrived." })
  queue.retry(queue.snapshot()[3]?.id ?? 0)
  expect(states()).toEqual(["done", "failed", "failed", "sending"])
})

test("a lost connection can be tried again; what is refused for good cannot", async () => {
  const { queue, call, states } = startQueue()
  queue.add(files("a.md", "b.md"), null, false)
  call(0).fail(new NetworkError())
  call(1).fail(new ApiError({ status: 415, code: "unsupported_type", message: "Files of this type cannot be read." }))
  await settled()
  expect(queue.snapshot()).toMatchObject([
    { state: "failed", canRetry: true },
    { state: "failed", canRetry: false, words: "Files of this type cannot be read." },
  ])
  queue.retry(queue.snapshot()[0]?.id ?? 0)
  call(2).answer()
  await settled()
  expect(states()).toEqual(["done", "failed"])
  queue.forgetDone()
  expect(states()).toEqual(["failed"])
})

test("a file the server has already is told as that", async () => {
  const { queue, call } = startQueue()
  queue.add(files("a.md"), null, false)
  call(0).answer(true)
  await settled()
  expect(queue.snapshot()).toMatchObject([{ state: "duplicate", documentId: "id of a.md" }])
})

test("what waits takes up room, so the one too many is refused before it is sent", () => {
  const { queue, calls, states } = startQueue()
  const room = {
    limits: { file_max_bytes: 100, documents_max: 2, total_max_bytes: 1_000, file_extensions: [".md"] },
    usage: { documents: 0, bytes: 0 },
  }
  queue.add(files("a.md", "b.exe", "c.md", "d.md"), room, true)
  expect(states()).toEqual(["sending", "failed", "sending", "failed"])
  expect(calls.every(({ options }) => options.isShared)).toBe(true)
})

test("clearing stops everything", async () => {
  const { queue, calls } = startQueue()
  queue.add(files("a.md", "b.md", "c.md"), null, false)
  queue.clear()
  await settled()
  expect(queue.snapshot()).toEqual([])
  expect(calls.map(({ options }) => options.signal.aborted)).toEqual([true, true])
})
