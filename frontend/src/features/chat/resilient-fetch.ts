import { authorizedFetch, toApiError } from "@/lib/api/client"
import { NetworkError, isAbort } from "@/lib/errors"
import { readServerSentEvents } from "@/lib/server-sent-events"
import { backoff, waitOrOnline } from "@/lib/wait"

/**
 * A fetch for the chat transport that outlives the connection. The run belongs to the server, so a
 * dropped line is no failed answer: a question that got no reply is sent again under the same
 * `request_id` (which never charges twice), and a stream that breaks off is attached to again from
 * the event after the last one seen. The transport above reads one unbroken stream.
 */
export type ResilientFetchOptions = {
  /** Where to attach to the running answer, from the event after `after`. */
  attachUrl: (after: number) => string
  onLinkChange: (link: "up" | "down") => void
  fetch?: (url: string, init: RequestInit) => Promise<Response>
  attemptsMax?: number
  backoffMs?: (attempt: number) => number
}

const ATTEMPTS_MAX = 6
const IDLE_MS = 60_000

const LAST_TYPES = new Set(["finish", "error"])

/** Whether nothing can follow. `abort` is not last: `finish` with the balance comes after it. */
function isLastEvent(data: string): boolean {
  if (data === "[DONE]") return true
  if (!data.startsWith("{")) return false
  try {
    const part = JSON.parse(data) as { type?: unknown }
    return typeof part.type === "string" && LAST_TYPES.has(part.type)
  } catch {
    return false
  }
}

export function createResilientFetch(options: ResilientFetchOptions) {
  const send = options.fetch ?? authorizedFetch
  const attemptsMax = options.attemptsMax ?? ATTEMPTS_MAX
  const backoffMs = options.backoffMs ?? backoff

  /** Tries until the server answers. Throws the refusal, or NetworkError when it stays silent. */
  async function connect(url: string, init: RequestInit, signal: AbortSignal, attemptsBefore: number): Promise<Response> {
    for (let attempt = attemptsBefore; ; attempt += 1) {
      try {
        const response = await send(url, { ...init, signal })
        if (!response.ok) throw await toApiError(response)
        return response
      } catch (error) {
        if (!(error instanceof NetworkError) || attempt + 1 >= attemptsMax) throw error
        options.onLinkChange("down")
        await waitOrOnline(backoffMs(attempt), signal)
        signal.throwIfAborted()
      }
    }
  }

  function outlive(first: Response, signal: AbortSignal, leave: () => void): ReadableStream<Uint8Array> {
    const encoder = new TextEncoder()
    let lastId = 0
    let isOver = false
    let attempts = 0

    async function forward(body: ReadableStream<Uint8Array>, sink: ReadableStreamDefaultController<Uint8Array>) {
      for await (const event of readServerSentEvents(body, IDLE_MS)) {
        if (event.data === "") continue
        options.onLinkChange("up")
        attempts = 0
        const id = Number(event.id ?? Number.NaN)
        if (Number.isInteger(id)) {
          if (id <= lastId) continue
          lastId = id
        }
        isOver ||= isLastEvent(event.data)
        sink.enqueue(encoder.encode(event.raw))
      }
    }

    async function pump(sink: ReadableStreamDefaultController<Uint8Array>) {
      let response = first
      // 204: settled while nobody listened. Browsers give even that an (empty) body.
      while (response.body && response.status !== 204) {
        try {
          await forward(response.body, sink)
        } catch (error) {
          signal.throwIfAborted()
          if (!(error instanceof TypeError) && !isAbort(error)) throw error
        }
        if (isOver || signal.aborted) break
        options.onLinkChange("down")
        await waitOrOnline(backoffMs(attempts), signal)
        signal.throwIfAborted()
        attempts += 1
        response = await connect(options.attachUrl(lastId), { headers: { accept: "text/event-stream" } }, signal, attempts)
      }
      options.onLinkChange("up")
      sink.close()
    }

    return new ReadableStream<Uint8Array>({
      start(sink) {
        pump(sink).catch((error: unknown) => sink.error(error))
      },
      cancel: leave,
    })
  }

  return async function resilientFetch(input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> {
    const url = input instanceof Request ? input.url : String(input)
    // Ends every connection that is made for this call, whoever leaves: the caller or the reader of the stream.
    const leaving = new AbortController()
    const signal = init.signal ? AbortSignal.any([init.signal, leaving.signal]) : leaving.signal
    const response = await connect(url, init, signal, 0)
    options.onLinkChange("up")
    if (response.status === 204 || !response.body) return response
    return new Response(outlive(response, signal, () => leaving.abort()), { status: response.status, headers: response.headers })
  }
}
