import { filePathOf } from "@/lib/api/documents"
import { authorizedFetch, toApiError } from "@/lib/api/client"
import type { Document } from "@/lib/api/types"
import { getJwt, renewJwt } from "@/lib/auth/session"
import { getConfig } from "@/lib/config"
import { NetworkError } from "@/lib/errors"

/** Longer than this without a byte going out or an answer coming in, and the connection counts as lost. */
const SILENCE_MS = 90_000

export type UploadOptions = {
  isShared: boolean
  onProgress: (sentBytes: number) => void
  signal: AbortSignal
}

/** `isDuplicate`: this person uploaded the same content before, and that document is the answer. */
export type UploadResult = { document: Document; isDuplicate: boolean }

/** `fetch` tells nothing of what went out, so this one call goes through XMLHttpRequest. */
function send(url: string, body: FormData, jwt: string, options: UploadOptions): Promise<Response> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    let timer: ReturnType<typeof setTimeout> | undefined
    const listen = () => {
      clearTimeout(timer)
      timer = setTimeout(() => request.abort(), SILENCE_MS)
    }
    const abort = () => request.abort()
    options.signal.addEventListener("abort", abort)
    request.upload.onprogress = (event) => {
      listen()
      options.onProgress(event.loaded)
    }
    request.onload = () => {
      const retryAfter = request.getResponseHeader("retry-after")
      resolve(new Response(request.responseText, { status: request.status, headers: retryAfter === null ? {} : { "retry-after": retryAfter } }))
    }
    request.onerror = () => reject(new NetworkError())
    request.onabort = () => reject(options.signal.aborted ? new DOMException("Cancelled", "AbortError") : new NetworkError())
    request.onloadend = () => {
      clearTimeout(timer)
      options.signal.removeEventListener("abort", abort)
    }
    request.open("POST", url)
    request.setRequestHeader("authorization", `Bearer ${jwt}`)
    request.setRequestHeader("accept", "application/json")
    listen()
    request.send(body)
  })
}

/** Sends a file with the caller's access token, which is renewed once when it is refused. Throws ApiError, NetworkError or an abort. */
export async function uploadDocument(file: File, options: UploadOptions): Promise<UploadResult> {
  const url = `${getConfig().apiBase}/api/documents`
  const body = new FormData()
  if (options.isShared) body.set("is_shared", "true")
  body.set("file", file, file.name)
  const jwt = await getJwt()
  options.signal.throwIfAborted()
  let response = await send(url, body, jwt, options)
  if (response.status === 401) response = await send(url, body, await renewJwt(jwt), options)
  if (!response.ok) throw await toApiError(response)
  return { document: (await response.json()) as Document, isDuplicate: response.status === 200 }
}

/** The bytes of an uploaded document. */
export async function downloadDocument(documentId: string): Promise<Blob> {
  const response = await authorizedFetch(getConfig().apiBase + filePathOf(documentId))
  if (!response.ok) throw await toApiError(response)
  return response.blob()
}
