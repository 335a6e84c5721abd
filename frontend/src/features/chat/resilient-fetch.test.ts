import { createResilientFetch } from "@/features/chat/resilient-fetch"
import { ApiError, NetworkError } from "@/lib/errors"
import { beginEventStream, event, startServer, type TestServer } from "@/testing/http-server"
import { afterEach, describe, expect, test } from "vitest"

let server: TestServer
afterEach(() => server.close())

/** As the API client's fetch: every failure to reach the server is a NetworkError. */
async function send(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init)
  } catch (error) {
    if (error instanceof Error && error.name === "AbortError") throw error
    throw new NetworkError(error)
  }
}

function client(options: { attemptsMax?: number } = {}) {
  const links: string[] = []
  const resilient = createResilientFetch({
    attachUrl: (after, requestId) => `${server.url}/stream?after=${after}&request_id=${requestId}`,
    onLinkChange: (link) => {
      if (links.at(-1) !== link) links.push(link)
    },
    fetch: send,
    backoffMs: () => 1,
    ...options,
  })
  const ask = () => resilient(server.url, { method: "POST", body: '{"request_id":"r1"}' })
  return { ask, links, resilient }
}

const delta = (text: string) => ({ type: "text-delta", id: "0", delta: text })
const finish = { type: "finish" }

describe("createResilientFetch", () => {
  test("passes an unbroken stream through as it is", async () => {
    const whole = event(1, delta("a")) + event(2, finish) + event(3, "[DONE]")
    server = await startServer((_request, response) => {
      beginEventStream(response)
      response.end(whole)
    })
    const { ask, links } = client()
    expect(await (await ask()).text()).toBe(whole)
    expect(links).toEqual(["up"])
    expect(server.requests).toHaveLength(1)
  })

  test("attaches after the last event seen when the line breaks, repeating nothing", async () => {
    server = await startServer((_request, response, earlier) => {
      beginEventStream(response)
      if (earlier === 0) {
        // The second event is cut in half: it was not seen.
        response.write(event(1, delta("a")) + event(2, delta("b")).slice(0, 12), () => response.destroy())
        return
      }
      response.end(event(1, delta("a")) + event(2, delta("b")) + event(3, finish))
    })
    const { ask, links } = client()
    expect(await (await ask()).text()).toBe(event(1, delta("a")) + event(2, delta("b")) + event(3, finish))
    expect(server.requests.map((request) => request.url)).toEqual(["/", "/stream?after=1&request_id=r1"])
    expect(links).toEqual(["up", "down", "up"])
  })

  test("a stream that ends without its last event was broken too", async () => {
    server = await startServer((_request, response, earlier) => {
      beginEventStream(response)
      response.end(earlier === 0 ? event(1, delta("a")) : event(2, finish))
    })
    expect(await (await client().ask()).text()).toBe(event(1, delta("a")) + event(2, finish))
  })

  test("ends quietly when the answer was settled while nobody listened", async () => {
    server = await startServer((_request, response, earlier) => {
      if (earlier === 0) {
        beginEventStream(response)
        response.write(event(1, delta("a")), () => response.destroy())
        return
      }
      response.writeHead(204).end()
    })
    expect(await (await client().ask()).text()).toBe(event(1, delta("a")))
    expect(server.requests).toHaveLength(2)
  })

  test("sends a question that got no reply again, under the same request id", async () => {
    server = await startServer((request, response, earlier) => {
      if (earlier === 0) {
        request.socket.destroy()
        return
      }
      beginEventStream(response)
      response.end(event(1, finish))
    })
    await (await client().ask()).text()
    expect(server.requests.map((request) => request.body)).toEqual(['{"request_id":"r1"}', '{"request_id":"r1"}'])
  })

  test("gives up as unreachable after its attempts", async () => {
    server = await startServer((request) => request.socket.destroy())
    await expect(client({ attemptsMax: 3 }).ask()).rejects.toThrow(NetworkError)
    expect(server.requests).toHaveLength(3)
  })

  test("does not repeat what was refused", async () => {
    server = await startServer((_request, response) => {
      response.writeHead(402, { "content-type": "application/json" })
      response.end('{"error":{"code":"insufficient_tokens","message":"No tokens.","request_id":"x"}}')
    })
    const error: unknown = await client().ask().catch((cause: unknown) => cause)
    expect(error).toBeInstanceOf(ApiError)
    expect(error).toMatchObject({ status: 402, code: "insufficient_tokens" })
    expect(server.requests).toHaveLength(1)
  })

  test("an error of the run is the end, not a break", async () => {
    const failed = event(1, { type: "error", errorText: "{}" })
    server = await startServer((_request, response) => {
      beginEventStream(response)
      response.end(failed)
    })
    expect(await (await client().ask()).text()).toBe(failed)
    expect(server.requests).toHaveLength(1)
  })

  test("an answer joined without knowing its turn is joined again by the turn its start named", async () => {
    const start = event(1, { type: "start", messageMetadata: { request_id: "r7" } })
    server = await startServer((_request, response, earlier) => {
      beginEventStream(response)
      if (earlier === 0) response.write(start, () => response.destroy())
      else response.end(event(2, finish))
    })
    const joined = await client().resilient(`${server.url}/stream?after=0`)
    expect(await joined.text()).toBe(start + event(2, finish))
    expect(server.requests.map((request) => request.url)).toEqual(["/stream?after=0", "/stream?after=1&request_id=r7"])
  })

  test("the answer of another turn is never spliced in", async () => {
    server = await startServer((request, response, earlier) => {
      const asked = new URL(request.url ?? "", server.url).searchParams.get("request_id")
      if (earlier > 0 && asked === "r1") {
        response.writeHead(204).end()
        return
      }
      beginEventStream(response)
      if (earlier === 0) response.write(event(1, delta("a")), () => response.destroy())
      else response.end(event(2, delta("another turn's words")) + event(3, finish))
    })
    expect(await (await client().ask()).text()).toBe(event(1, delta("a")))
  })

  test("nothing to attach to is passed on as it is", async () => {
    server = await startServer((_request, response) => response.writeHead(204).end())
    expect((await client().resilient(server.url)).status).toBe(204)
  })

  test("leaves the line when the reader does", async () => {
    let closed: () => void = () => undefined
    const isClosed = new Promise<void>((resolve) => (closed = resolve))
    server = await startServer((_request, response) => {
      beginEventStream(response)
      response.on("close", closed)
      response.write(event(1, delta("a")))
    })
    const reader = (await client().ask()).body?.getReader()
    await reader?.read()
    await reader?.cancel()
    await isClosed
    expect(server.requests).toHaveLength(1)
  })
})
