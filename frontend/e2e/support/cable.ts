import { createServer, request as forward, type Server } from "node:http"
import type { AddressInfo, Socket } from "node:net"

/**
 * A network cable between the browser and the stack that can be cut: a plain HTTP proxy. The
 * browser's own offline mode leaves running responses alone; this breaks them as a tunnel would.
 */
export class Cable {
  private readonly sockets = new Set<Socket>()
  private isCut = false
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
    const server = createServer((incoming, outgoing) => {
      const onward = forward(incoming.url ?? "", { method: incoming.method, headers: incoming.headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(outgoing)
      })
      onward.on("error", () => outgoing.destroy())
      outgoing.on("close", () => onward.destroy())
      incoming.pipe(onward)
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    return new Cable(server)
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

  async remove(): Promise<void> {
    this.cut()
    await new Promise((resolve) => this.server.close(resolve))
  }
}
