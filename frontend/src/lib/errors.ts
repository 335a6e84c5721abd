/** The API answered with a refusal. `code` is stable; `message` is fit to show. */
export class ApiError extends Error {
  readonly status: number
  readonly code: string
  readonly requestId: string | null
  readonly field: string | null
  readonly retryAfterSeconds: number | null

  constructor(details: {
    status: number
    code: string
    message: string
    requestId?: string | null
    field?: string | null
    retryAfterSeconds?: number | null
  }) {
    super(details.message)
    this.name = "ApiError"
    this.status = details.status
    this.code = details.code
    this.requestId = details.requestId ?? null
    this.field = details.field ?? null
    this.retryAfterSeconds = details.retryAfterSeconds ?? null
  }
}

/** No answer came at all: offline, refused, reset or timed out. */
export class NetworkError extends Error {
  constructor(cause?: unknown) {
    super("The server could not be reached.", { cause })
    this.name = "NetworkError"
  }
}

export function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError"
}
