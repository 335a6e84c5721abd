import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

export type TestServer = { url: string; requests: { method: string; url: string; body: string }[]; close: () => Promise<void> }

/** A real HTTP server on a free port; `respond` is told how many requests came before. */
export async function startServer(
  respond: (request: IncomingMessage, response: ServerResponse, earlier: number) => void,
): Promise<TestServer> {
  const requests: TestServer["requests"] = []
  const server = createServer((request, response) => {
    let body = ""
    request.on("data", (chunk: Buffer) => (body += chunk.toString()))
    request.on("end", () => {
      requests.push({ method: request.method ?? "", url: request.url ?? "", body })
      respond(request, response, requests.length - 1)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

export function beginEventStream(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "text/event-stream" })
  response.flushHeaders()
}

/** An event as the API writes it. */
export function event(id: number, part: unknown): string {
  return `id: ${id}\ndata: ${typeof part === "string" ? part : JSON.stringify(part)}\n\n`
}
