import { ApiError, NetworkError } from "@/lib/errors"
import { z } from "zod"

/**
 * Why a question got no (whole) answer, reduced to what the person can do about it.
 */
export type Failure =
  | { kind: "no-tokens" }
  | { kind: "rate-limit"; retryAt: number }
  | { kind: "signed-out" }
  | { kind: "offline" }
  /** The line went away in mid-answer and did not come back; the answer goes on without us. */
  | { kind: "lost" }
  | { kind: "server"; reference: string | null }
  | { kind: "busy" }
  | { kind: "too-long" }
  | { kind: "invalid"; message: string }
  | { kind: "gone" }
  | { kind: "answer"; code: string; message: string; returned: boolean }

const streamErrorSchema = z.object({ code: z.string(), message: z.string() })
const RETRY_AFTER_SECONDS_DEFAULT = 30

/** The stream's own error: `errorText` holds JSON. */
export function parseStreamError(errorText: string): { code: string; message: string } | null {
  try {
    const parsed = streamErrorSchema.safeParse(JSON.parse(errorText))
    return parsed.success ? parsed.data : null
  } catch {
    return null
  }
}

function describeRefusal(error: ApiError, now: number): Failure {
  switch (error.status) {
    case 401:
      return { kind: "signed-out" }
    case 402:
      return { kind: "no-tokens" }
    case 404:
      return { kind: "gone" }
    case 409:
      return { kind: "busy" }
    case 413:
      return { kind: "too-long" }
    case 422:
      return { kind: "invalid", message: error.message }
    case 429:
      return { kind: "rate-limit", retryAt: now + (error.retryAfterSeconds ?? RETRY_AFTER_SECONDS_DEFAULT) * 1000 }
    default:
      return { kind: "server", reference: error.requestId }
  }
}

export type TurnProgress = {
  /** The stream had begun: the question is stored, whatever happened after. */
  accepted: boolean
  /** The stream reported that the token went back before it broke. */
  released: boolean
}

export function describeFailure(error: unknown, progress: TurnProgress, now: number = Date.now()): Failure {
  if (error instanceof ApiError) return describeRefusal(error, now)
  const streamError = error instanceof Error ? parseStreamError(error.message) : null
  if (streamError) return { kind: "answer", ...streamError, returned: progress.released }
  if (progress.accepted) return { kind: "lost" }
  if (error instanceof NetworkError) return { kind: "offline" }
  return { kind: "server", reference: null }
}

/** Whether the question was not taken in, so that it goes back to the composer. */
export function wasNotAccepted(failure: Failure): boolean {
  return failure.kind !== "answer" && failure.kind !== "lost"
}
