import { watchBalance } from "@/features/tokens/balance-stream"
import { authorizedFetch } from "@/lib/api/client"
import { fetchBalance } from "@/lib/api/tokens"
import { getConfig } from "@/lib/config"
import { createContext, useCallback, useContext, useEffect, useEffectEvent, useMemo, useState, type ReactNode } from "react"

type Balance = {
  /** Null until the server told it for the first time. */
  tokens: number | null
  isLive: boolean
  /** Takes over a balance that came another way, such as with the end of an answer. */
  setTokens: (tokens: number) => void
  /** Asks the server once more, when there is reason to doubt the figure. */
  reread: () => void
}

const BalanceContext = createContext<Balance>({ tokens: null, isLive: false, setTokens: () => undefined, reread: () => undefined })

export function useBalance(): Balance {
  return useContext(BalanceContext)
}

/** Browsers allow six connections to a host, over HTTP/1.1, for all tabs together: only a visible tab holds one. */
function useIsVisible(): boolean {
  const [isVisible, setIsVisible] = useState(() => document.visibilityState === "visible")
  useEffect(() => {
    const update = () => setIsVisible(document.visibilityState === "visible")
    document.addEventListener("visibilitychange", update)
    return () => document.removeEventListener("visibilitychange", update)
  }, [])
  return isVisible
}

type BalanceProviderProps = { children: ReactNode; onChange: () => void }

export function BalanceProvider({ children, onChange }: BalanceProviderProps) {
  const [tokens, setTokens] = useState<number | null>(null)
  const [isLive, setIsLive] = useState(false)
  const isVisible = useIsVisible()

  const reread = useCallback(() => {
    fetchBalance().then(
      (balance) => setTokens(balance.tokens),
      // The stream keeps trying and shows whether the figure is fresh.
      () => undefined,
    )
  }, [])

  useEffect(() => {
    if (!isVisible) return
    const leaving = new AbortController()
    const { signal } = leaving
    void watchBalance({
      connect: (streamSignal) =>
        authorizedFetch(`${getConfig().apiBase}/api/balance/stream`, {
          headers: { accept: "text/event-stream" },
          signal: streamSignal,
        }),
      onTokens: setTokens,
      onLive: setIsLive,
      signal,
    })
    const goStale = () => setIsLive(false)
    addEventListener("focus", reread)
    addEventListener("offline", goStale)
    return () => {
      leaving.abort()
      removeEventListener("focus", reread)
      removeEventListener("offline", goStale)
    }
  }, [isVisible, reread])

  const announce = useEffectEvent(onChange)
  useEffect(() => {
    if (tokens !== null) announce()
  }, [tokens])

  const balance = useMemo(() => ({ tokens, isLive, setTokens, reread }), [tokens, isLive, reread])
  return <BalanceContext value={balance}>{children}</BalanceContext>
}
