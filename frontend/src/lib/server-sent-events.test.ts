import { readServerSentEvents, type ServerSentEvent } from "@/lib/server-sent-events"
import { describe, expect, test } from "vitest"

function streamOf(chunks: (string | Uint8Array)[], isEndless = false): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(sink) {
      for (const chunk of chunks) sink.enqueue(typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk)
      if (!isEndless) sink.close()
    },
  })
}

async function read(stream: ReadableStream<Uint8Array>, idleMs?: number): Promise<ServerSentEvent[]> {
  const events: ServerSentEvent[] = []
  for await (const event of readServerSentEvents(stream, idleMs)) events.push(event)
  return events
}

describe("readServerSentEvents", () => {
  test("joins an event that arrives in pieces", async () => {
    const events = await read(streamOf(["id: 7\nda", 'ta: {"a"', ":1}\n", "\n"]))
    expect(events).toEqual([{ id: "7", data: '{"a":1}', raw: 'id: 7\ndata: {"a":1}\n\n' }])
  })

  test("splits events that arrive together", async () => {
    const events = await read(streamOf(["data: 1\n\ndata: 2\n\n"]))
    expect(events.map((event) => event.data)).toEqual(["1", "2"])
  })

  test("understands every line ending, also one cut in half", async () => {
    const events = await read(streamOf(["data: 1\r\n\r", "\ndata: 2\r\rdata: 3\n\n"]))
    expect(events.map((event) => event.data)).toEqual(["1", "2", "3"])
  })

  test("joins several data lines", async () => {
    const events = await read(streamOf(["data: a\ndata: b\n\n"]))
    expect(events[0]?.data).toBe("a\nb")
  })

  test("puts together a character whose bytes were split", async () => {
    const bytes = new TextEncoder().encode("data: 🙂\n\n")
    const events = await read(streamOf([bytes.slice(0, 8), bytes.slice(8)]))
    expect(events[0]?.data).toBe("🙂")
  })

  test("reports a comment without data", async () => {
    const events = await read(streamOf([": keep-alive\n\n"]))
    expect(events).toEqual([{ id: null, data: "", raw: ": keep-alive\n\n" }])
  })

  test("drops an event that the end of the stream cut off", async () => {
    expect(await read(streamOf(["data: whole\n\ndata: cut"]))).toHaveLength(1)
  })

  test("ends a stream that fell silent", async () => {
    const events = await read(streamOf(["data: 1\n\n"], true), 20)
    expect(events.map((event) => event.data)).toEqual(["1"])
  })
})
