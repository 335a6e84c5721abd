import { router } from "@/app/router"
import { ToastProvider } from "@/components/ui/toast"
import { uploads } from "@/features/documents/upload-store"
import { getSessionState, subscribeToSession } from "@/lib/auth/session"
import { ApiError } from "@/lib/errors"
import { QueryClient, QueryClientProvider } from "@tanstack/react-query"
import { RouterProvider } from "react-router/dom"

const RETRIES_MAX = 2

const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      // A refusal stays a refusal; only silence and a struggling server are worth asking again.
      retry: (failures, error) => failures < RETRIES_MAX && !(error instanceof ApiError && error.status < 500),
      staleTime: 5_000,
      // Offline, fail at once and say so, instead of waiting without a word.
      networkMode: "always",
    },
    mutations: { networkMode: "always" },
  },
})

let uploader: string | null = null

// Nothing of one person's may be shown to the next one; who signs in again after an expiry finds what was not sent.
subscribeToSession(() => {
  const session = getSessionState()
  if (session.status === "signed-in") {
    if (uploader !== session.userId) uploads.clear()
    uploader = session.userId
  } else if (session.status === "signed-out") {
    queryClient.clear()
    if (session.why === "expired") uploads.interrupt()
    else uploads.clear()
  }
})

export function App() {
  return (
    <QueryClientProvider client={queryClient}>
      <ToastProvider>
        <RouterProvider router={router} />
      </ToastProvider>
    </QueryClientProvider>
  )
}
