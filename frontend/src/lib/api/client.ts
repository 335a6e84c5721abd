import { getJwt, renewJwt } from "@/lib/auth/session"
import { getConfig } from "@/lib/config"
import { ApiError, NetworkError, isAbort } from "@/lib/errors"
import { z } from "zod"

const TIMEOUT_MS = 20_000

const errorSchema = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    request_id: z.string().nullish(),
    field: z.string().nullish(),
  }),
})

/** Turns a refusal into an ApiError, whatever stands in its body (a proxy may answer in HTML). */
export async function toApiError(response: Response): Promise<ApiError> {
  const body: unknown = await response.json().catch(() => null)
  const parsed = errorSchema.safeParse(body)
  const retryAfter = Number(response.headers.get("retry-after") ?? Number.NaN)
  return new ApiError({
    status: response.status,
    code: parsed.success ? parsed.data.error.code : "unknown",
    message: parsed.success ? parsed.data.error.message : "The server gave an unexpected answer.",
    requestId: parsed.data?.error.request_id ?? response.headers.get("x-request-id"),
    field: parsed.data?.error.field ?? null,
    retryAfterSeconds: Number.isFinite(retryAfter) && retryAfter >= 0 ? retryAfter : null,
  })
}

/**
 * Fetches with the caller's access token; renews it once when it is refused.
 * Throws NetworkError when no answer came and lets an abort pass.
 */
export async function authorizedFetch(url: string, init: RequestInit = {}): Promise<Response> {
  const send = async (jwt: string) => {
    const headers = new Headers(init.headers)
    headers.set("authorization", `Bearer ${jwt}`)
    try {
      return await fetch(url, { ...init, headers })
    } catch (error) {
      if (isAbort(error)) throw error
      throw new NetworkError(error)
    }
  }
  const jwt = await getJwt()
  const response = await send(jwt)
  if (response.status !== 401) return response
  await response.body?.cancel()
  return send(await renewJwt(jwt))
}

type RequestOptions = {
  method?: "GET" | "POST" | "PATCH" | "DELETE"
  query?: Record<string, string | number | boolean | null | undefined>
  body?: unknown
  signal?: AbortSignal
  timeoutMs?: number
}

/** Calls a route of the API and returns its JSON (undefined for 204). Throws ApiError or NetworkError. */
export async function callApi<Result>(path: string, options: RequestOptions = {}): Promise<Result> {
  const url = new URL(getConfig().apiBase + path)
  for (const [name, value] of Object.entries(options.query ?? {})) {
    if (value !== null && value !== undefined) url.searchParams.set(name, String(value))
  }
  const timeout = AbortSignal.timeout(options.timeoutMs ?? TIMEOUT_MS)
  const response = await authorizedFetch(url.href, {
    method: options.method ?? "GET",
    headers: options.body === undefined ? {} : { "content-type": "application/json" },
    body: options.body === undefined ? undefined : JSON.stringify(options.body),
    signal: options.signal ? AbortSignal.any([options.signal, timeout]) : timeout,
  })
  if (!response.ok) throw await toApiError(response)
  if (response.status === 204) return undefined as Result
  return (await response.json()) as Result
}
