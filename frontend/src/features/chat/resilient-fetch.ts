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
  /** Where to attach to the answer of a turn, from the event after `after`. */
  attachUrl: (after: number, requestId: string | null) => string
  onLinkChange: (link: "up" | "down") => void
  fetch?: (url: string, init: RequestInit) => Promise<Response>
  attemptsMax?: number
  backoffMs?: (attempt: number) => number
}

const ATTEMPTS_MAX = 6
const IDLE_MS = 60_000

const LAST_TYPES = new Set(["finish", "error"])

type Part = { type?: unknown; request_id?: unknown; messageMetadata?: { request_id?: unknown } | null }

function parse(data: unknown): Part {
  if (typeof data !== "string" || !data.startsWith("{")) return {}
  try {
    return JSON.parse(data) as Part
  } catch {
    return {}
  }
}

/** Whether nothing can follow. `abort` is not last: `finish` with the balance comes after it. */
function isLast(data: string, part: Part): boolean {
  return data === "[DONE]" || (typeof part.type === "string" && LAST_TYPES.has(part.type))
}

const textOrNull = (value: unknown): string | null => (typeof value === "string" ? value : null)

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

  function outlive(first: Response, asked: string | null, signal: AbortSignal, leave: () => void): ReadableStream<Uint8Array> {
    const encoder = new TextEncoder()
    // Events are numbered within a turn: without it, the next turn's events would continue this answer.
    let requestId = asked
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
        const part = parse(event.data)
        if (part.type === "start") requestId ??= textOrNull(part.messageMetadata?.request_id)
        isOver ||= isLast(event.data, part)
        sink.enqueue(encoder.encode(event.raw))
      }
    }

    async function pump(sink: ReadableStreamDefaultController<Uint8Array>) {
      let response = first
      // 204: settled while nobody listened; the caller reads what was stored. Browsers give even that an (empty) body.
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
        const url = options.attachUrl(lastId, requestId)
        response = await connect(url, { headers: { accept: "text/event-stream" } }, signal, attempts)
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
    const body = outlive(response, textOrNull(parse(init.body).request_id), signal, () => leaving.abort())
    return new Response(body, { status: response.status, headers: response.headers })
  }
}
