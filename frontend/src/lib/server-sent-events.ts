export type ServerSentEvent = {
  id: string | null
  data: string
  /** The event as it came, with its closing blank line, so that it can be passed on unchanged. */
  raw: string
}

const EVENT_CHARACTERS_MAX = 4_000_000

function parseEvent(block: string): ServerSentEvent {
  let id: string | null = null
  const data: string[] = []
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":")
    const field = colon === -1 ? line : line.slice(0, colon)
    const value = colon === -1 ? "" : line.slice(colon + 1).replace(/^ /, "")
    if (field === "data") data.push(value)
    if (field === "id") id = value
  }
  return { id, data: data.join("\n"), raw: `${block}\n\n` }
}

/**
 * Yields each event of an event stream, comments included (with empty `data`), so that a caller
 * can tell a quiet stream from a dead one. An event cut off by the end of the stream is dropped,
 * as the standard asks.
 *
 * With `idleMs` the stream is taken for dead, and ends, when nothing at all came for that long: a
 * laptop that slept holds a connection that will never report its end.
 */
export async function* readServerSentEvents(
  stream: ReadableStream<Uint8Array>,
  idleMs?: number,
): AsyncGenerator<ServerSentEvent> {
  const reader = stream.getReader()
  const decoder = new TextDecoder()
  let buffer = ""
  let timer: ReturnType<typeof setTimeout> | undefined
  try {
    for (;;) {
      if (idleMs !== undefined) timer = setTimeout(() => void reader.cancel().catch(() => undefined), idleMs)
      const { value, done } = await reader.read()
      clearTimeout(timer)
      if (done) return
      // A lone "\r" at the end may be the first half of "\r\n": keep it for the next chunk.
      const text = buffer + decoder.decode(value, { stream: true })
      const held = text.endsWith("\r") ? "\r" : ""
      buffer = text.slice(0, text.length - held.length).replaceAll(/\r\n?/g, "\n")
      let end: number
      while ((end = buffer.indexOf("\n\n")) !== -1) {
        const block = buffer.slice(0, end)
        buffer = buffer.slice(end + 2)
        if (block !== "") yield parseEvent(block)
      }
      if (buffer.length > EVENT_CHARACTERS_MAX) throw new Error("An event of the stream is too long.")
      buffer += held
    }
  } finally {
    clearTimeout(timer)
    await reader.cancel().catch(() => undefined)
  }
}
