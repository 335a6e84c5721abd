import { useEffect, useState } from "react"

/** Whole seconds until `moment`, counting down to 0. */
export function useCountdown(moment: number | null): number {
  const [now, setNow] = useState(() => Date.now())
  const isOver = moment === null || now >= moment
  useEffect(() => {
    if (isOver) return
    const timer = setInterval(() => setNow(Date.now()), 250)
    return () => clearInterval(timer)
  }, [isOver])
  return moment === null ? 0 : Math.max(0, Math.ceil((moment - now) / 1000))
}
