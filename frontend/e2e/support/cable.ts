import { createServer, request as forward, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo, Socket } from "node:net"

type IsMeant = (method: string, path: string) => boolean

/**
 * A network cable between the browser and the stack that can be cut, or be slow: a plain HTTP proxy. The
 * browser's own offline mode leaves running responses alone; this breaks them as a tunnel would.
 */
export class Cable {
  private readonly sockets = new Set<Socket>()
  private isCut = false
  private diverted: { from: string; to: string } | null = null
  private readonly waiting = new Set<ServerResponse>()
  private held: { isMeant: IsMeant; passed: Promise<void> } | null = null
  private readonly server: Server

  private constructor(server: Server) {
    this.server = server
    server.on("connection", (socket) => {
      if (this.isCut) {
        socket.destroy()
        return
      }
      this.sockets.add(socket)
      socket.on("close", () => this.sockets.delete(socket))
    })
  }

  static async lay(): Promise<Cable> {
    const server = createServer()
    const cable = new Cable(server)
    server.on("request", (incoming: IncomingMessage, outgoing: ServerResponse) => void cable.carry(incoming, outgoing))
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    return cable
  }

  private async carry(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { method = "", headers } = incoming
    let { url = "" } = incoming
    if (this.held?.isMeant(method, new URL(url).pathname)) {
      this.waiting.add(outgoing)
      outgoing.on("close", () => this.waiting.delete(outgoing))
      await this.held.passed
      if (!this.waiting.delete(outgoing)) return
    }
    if (this.diverted && url.startsWith(this.diverted.from)) url = this.diverted.to + url.slice(this.diverted.from.length)
    // A connection of its own: a kept one may be closed by the server in the very moment in which it is used again.
    const onward = forward(url, { method, headers, agent: false }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(outgoing)
    })
    onward.on("error", () => outgoing.destroy())
    outgoing.on("close", () => onward.destroy())
    incoming.pipe(onward)
  }

  get address(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  cut(): void {
    this.isCut = true
    for (const socket of this.sockets) socket.destroy()
  }

  mend(): void {
    this.isCut = false
  }

  /** Leads the requests meant for one server to another, which the browser takes for the first. */
  divert(from: string, to: string): void {
    this.diverted = { from, to }
  }

  /** Keeps the requests that are meant on their way, until the returned function lets them arrive. */
  hold(isMeant: IsMeant): () => void {
    let arrive: () => void = () => undefined
    this.held = { isMeant, passed: new Promise((resolve) => (arrive = resolve)) }
    return () => {
      this.held = null
      arrive()
    }
  }

  /** How many requests are held that the browser has not given up. */
  get heldCount(): number {
    return this.waiting.size
  }

  async remove(): Promise<void> {
    this.cut()
    await new Promise((resolve) => this.server.close(resolve))
  }
}
