import { parseBalance, watchBalance } from "@/features/tokens/balance-stream"
import { ApiError } from "@/lib/errors"
import { beginEventStream, startServer, type TestServer } from "@/testing/http-server"
import { afterEach, describe, expect, test } from "vitest"

test.each([
  ['{"tokens": 7}', 7],
  ['{"tokens": 0}', 0],
  ["", null],
  ["nonsense", null],
  ['{"tokens": "7"}', null],
  ['{"other": 7}', null],
])("parseBalance(%j) is %j", (data, tokens) => {
  expect(parseBalance(data)).toBe(tokens)
})

describe("watchBalance", () => {
  let server: TestServer
  afterEach(() => server.close())

  async function watchUntil(enough: (log: (number | string)[]) => boolean, connect?: () => Promise<Response>) {
    const log: (number | string)[] = []
    const leaving = new AbortController()
    const note = (entry: number | string) => {
      if (log.at(-1) !== entry) log.push(entry)
      if (enough(log)) leaving.abort()
    }
    await watchBalance({
      connect: connect ?? ((signal) => fetch(server.url, { signal })),
      onTokens: note,
      onLive: (isLive) => note(isLive ? "live" : "stale"),
      signal: leaving.signal,
      backoffMs: () => 1,
    })
    return log
  }

  test("follows changes and passes over comments", async () => {
    server = await startServer((_request, response) => {
      beginEventStream(response)
      response.write('data: {"tokens": 3}\n\n: keep-alive\n\ndata: {"tokens": 2}\n\n')
    })
    expect(await watchUntil((log) => log.includes(2))).toEqual(["live", 3, "live", 2])
  })

  test("goes stale when the line breaks, and comes back", async () => {
    server = await startServer((_request, response, earlier) => {
      beginEventStream(response)
      response.write(`data: {"tokens": ${10 - earlier}}\n\n`, () => {
        if (earlier === 0) response.destroy()
      })
    })
    expect(await watchUntil((log) => log.includes(9))).toEqual(["live", 10, "stale", "live", 9])
  })

  test("tries again after an error of the server", async () => {
    server = await startServer((_request, response, earlier) => {
      if (earlier < 2) {
        response.writeHead(503).end()
        return
      }
      beginEventStream(response)
      response.write('data: {"tokens": 1}\n\n')
    })
    expect(await watchUntil((log) => log.includes(1))).toEqual(["stale", "live", 1])
    expect(server.requests).toHaveLength(3)
  })

  test("stops when the session has ended", async () => {
    server = await startServer((_request, response) => response.end())
    const refuse = () => Promise.reject(new ApiError({ status: 401, code: "unauthorized", message: "" }))
    expect(await watchUntil(() => false, refuse)).toEqual([])
  })
})
