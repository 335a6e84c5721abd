import { useSyncExternalStore } from "react"
import { getSessionState, subscribeToSession, type SessionState } from "@/lib/auth/session"

export function useSession(): SessionState {
  return useSyncExternalStore(subscribeToSession, getSessionState)
}
