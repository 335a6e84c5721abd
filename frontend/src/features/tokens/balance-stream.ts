import { ApiError, isAbort } from "@/lib/errors"
import { readServerSentEvents } from "@/lib/server-sent-events"
import { backoff, waitOrOnline } from "@/lib/wait"
import { z } from "zod"

const balanceSchema = z.object({ tokens: z.number().int() })
/** The server sends a comment every 15 s; three missing ones mean a dead line. */
const IDLE_MS = 50_000

export type BalanceWatch = {
  connect: (signal: AbortSignal) => Promise<Response>
  onTokens: (tokens: number) => void
  onLive: (isLive: boolean) => void
  signal: AbortSignal
  backoffMs?: (attempt: number) => number
}

/** The balance in one event of the stream; null for what is none. */
export function parseBalance(data: string): number | null {
  if (data === "") return null
  try {
    const parsed = balanceSchema.safeParse(JSON.parse(data))
    return parsed.success ? parsed.data.tokens : null
  } catch {
    return null
  }
}

/** Follows the balance until the signal aborts, or the session ends; comes back whenever the line breaks. */
export async function watchBalance({ connect, onTokens, onLive, signal, backoffMs = backoff }: BalanceWatch): Promise<void> {
  let attempt = 0
  for (;;) {
    try {
      const response = await connect(signal)
      if (!response.ok || !response.body) throw new Error(`The balance stream answered ${response.status}.`)
      for await (const event of readServerSentEvents(response.body, IDLE_MS)) {
        const tokens = parseBalance(event.data)
        if (tokens === null) continue
        attempt = 0
        onLive(true)
        onTokens(tokens)
      }
    } catch (error) {
      // Signed out: the page that comes next opens its own stream.
      if (isAbort(error) || (error instanceof ApiError && error.status === 401)) return
    }
    if (signal.aborted) return
    onLive(false)
    await waitOrOnline(backoffMs(attempt), signal)
    attempt += 1
  }
}
