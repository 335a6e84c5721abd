/** Resolves after `milliseconds`, or at once when the signal aborts. Never rejects. */
export function wait(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) {
      resolve()
      return
    }
    const finish = () => {
      clearTimeout(timer)
      signal?.removeEventListener("abort", finish)
      resolve()
    }
    const timer = setTimeout(finish, milliseconds)
    signal?.addEventListener("abort", finish)
  })
}

/** Waits like `wait`, but no longer than until the browser reports that it is online again. */
export async function waitOrOnline(milliseconds: number, signal?: AbortSignal): Promise<void> {
  const woken = new AbortController()
  const wake = () => woken.abort()
  globalThis.addEventListener("online", wake)
  try {
    await wait(milliseconds, signal ? AbortSignal.any([signal, woken.signal]) : woken.signal)
  } finally {
    globalThis.removeEventListener("online", wake)
  }
}

/** Doubles from `first` to at most `max`, with up to a quarter of jitter so that tabs do not return in step. */
export function backoff(attempt: number, first = 500, max = 15_000): number {
  const base = Math.min(max, first * 2 ** attempt)
  return base * (0.75 + Math.random() * 0.25)
}
