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
  /** Something the server stands on is away, or it is full: the same again in a moment may well work. */
  | { kind: "unavailable"; message: string }
  /** The request id belongs to another question; the next attempt gets a new one. */
  | { kind: "mixed-up" }
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

type Kind = Exclude<Failure["kind"], "answer" | "lost" | "offline">

const KIND_BY_CODE: Record<string, Kind> = {
  unauthorized: "signed-out",
  account_not_found: "signed-out",
  insufficient_tokens: "no-tokens",
  conversation_not_found: "gone",
  message_not_found: "gone",
  run_in_progress: "busy",
  request_id_conflict: "mixed-up",
  message_too_large: "too-long",
  invalid_request: "invalid",
  rate_limited: "rate-limit",
  database_unavailable: "unavailable",
  auth_unavailable: "unavailable",
  server_busy: "unavailable",
}

/** For a code that is not known here, and for what stands between us and the server and knows no codes. */
const KIND_BY_STATUS: Record<number, Kind> = {
  401: "signed-out",
  402: "no-tokens",
  404: "gone",
  409: "busy",
  413: "too-long",
  422: "invalid",
  429: "rate-limit",
}

function kindOf({ code, status }: ApiError): Kind {
  const byCode = Object.hasOwn(KIND_BY_CODE, code) ? KIND_BY_CODE[code] : undefined
  return byCode ?? KIND_BY_STATUS[status] ?? "server"
}

function describeRefusal(error: ApiError, now: number): Failure {
  const kind = kindOf(error)
  switch (kind) {
    case "rate-limit":
      return { kind, retryAt: now + (error.retryAfterSeconds ?? RETRY_AFTER_SECONDS_DEFAULT) * 1000 }
    case "invalid":
    case "unavailable":
      return { kind, message: error.message }
    case "server":
      return { kind, reference: error.requestId }
    default:
      return { kind }
  }
}

/** Whether what was asked for does not exist, or not for this account. */
export function isGone(error: unknown): boolean {
  return error instanceof ApiError && kindOf(error) === "gone"
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
