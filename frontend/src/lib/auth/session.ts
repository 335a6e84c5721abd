import { GoTrueClient, isAuthRetryableFetchError, type Session } from "@supabase/auth-js"
import { getConfig } from "@/lib/config"
import { ApiError, NetworkError } from "@/lib/errors"

/**
 * The one place that knows who is signed in. Supabase's client keeps the session in local storage,
 * refreshes it, and tells other tabs; nothing but authentication goes through it.
 */
export type SessionState =
  | { status: "loading" }
  | { status: "signed-out"; why: "never-in" | "left" | "expired" }
  | { status: "signed-in"; userId: string; email: string }

let client: GoTrueClient | undefined
let state: SessionState = { status: "loading" }
let leavingOnPurpose = false
const listeners = new Set<() => void>()

export function getAuthClient(): GoTrueClient {
  if (!client) {
    const { supabaseUrl, supabaseAnonKey } = getConfig()
    client = new GoTrueClient({
      url: `${supabaseUrl}/auth/v1`,
      headers: { apikey: supabaseAnonKey, Authorization: `Bearer ${supabaseAnonKey}` },
      storageKey: "session",
      persistSession: true,
      autoRefreshToken: true,
      // Reads the fragment of a confirmation link; see /auth/callback.
      detectSessionInUrl: true,
      flowType: "implicit",
    })
    client.onAuthStateChange((_event, session) => publish(session))
  }
  return client
}

function publish(session: Session | null): void {
  const previous = state
  if (session) {
    const { id, email } = session.user
    if (previous.status === "signed-in" && previous.userId === id) return
    state = { status: "signed-in", userId: id, email: email ?? "" }
  } else {
    if (previous.status === "signed-out") return
    state = { status: "signed-out", why: previous.status === "loading" ? "never-in" : leavingOnPurpose ? "left" : "expired" }
  }
  leavingOnPurpose = false
  listeners.forEach((listener) => listener())
}

export function subscribeToSession(listener: () => void): () => void {
  getAuthClient()
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export function getSessionState(): SessionState {
  return state
}

/** The access token for the API, refreshed when it has run out. */
export async function getJwt(): Promise<string> {
  const { data, error } = await getAuthClient().getSession()
  if (data.session) return data.session.access_token
  throw error && isAuthRetryableFetchError(error) ? new NetworkError(error) : signedOut()
}

/** Called after a 401: a new access token, or the end of the session. */
export async function renewJwt(refused: string): Promise<string> {
  const { data } = await getAuthClient().getSession()
  // Another call, or another tab, may have renewed it meanwhile.
  if (data.session && data.session.access_token !== refused) return data.session.access_token
  const renewed = await getAuthClient().refreshSession()
  if (renewed.data.session && renewed.data.session.access_token !== refused) return renewed.data.session.access_token
  if (renewed.error && isAuthRetryableFetchError(renewed.error)) throw new NetworkError(renewed.error)
  await endSession()
  throw signedOut()
}

/** Forgets the session in this browser because the server no longer accepts it. */
export async function endSession(): Promise<void> {
  await getAuthClient().signOut({ scope: "local" })
  publish(null)
}

export async function signOut(): Promise<void> {
  leavingOnPurpose = true
  // Offline, the server cannot be told; the session in this browser ends all the same.
  await getAuthClient().signOut({ scope: "local" })
  publish(null)
}

function signedOut(): ApiError {
  return new ApiError({ status: 401, code: "unauthorized", message: "Your session has ended. Please sign in again." })
}
