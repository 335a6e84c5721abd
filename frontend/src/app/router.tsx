import { BuyRoute, ReceiptRoute, SuccessRoute } from "@/app/billing-routes"
import { NotFound, RouteCrash } from "@/app/error-pages"
import { Shell } from "@/app/shell"
import { Waiting } from "@/components/ui/spinner"
import { CallbackPage } from "@/features/auth/callback-page"
import { LoginPage } from "@/features/auth/login-page"
import { RequireSession } from "@/features/auth/require-session"
import { FailurePage } from "@/features/billing/failure-page"
import { createBrowserRouter } from "react-router"

export const router = createBrowserRouter([
  {
    errorElement: <RouteCrash />,
    hydrateFallbackElement: <Waiting label="Loading" />,
    children: [
      { path: "/login", element: <LoginPage /> },
      { path: "/auth/callback", element: <CallbackPage /> },
      {
        element: <RequireSession />,
        children: [
          { path: "/receipt/:purchaseId", element: <ReceiptRoute /> },
          {
            element: <Shell />,
            children: [
              // One element for both, so that a new chat gets its address without being mounted anew.
              {
                // Markdown and the AI SDK are most of the bundle: signing in does not wait for them.
                lazy: async () => ({ Component: (await import("@/app/chat-route")).ChatRoute }),
                children: [
                  { path: "/", element: null },
                  { path: "/c/:sessionId", element: null },
                ],
              },
              { path: "/documents", lazy: async () => ({ Component: (await import("@/app/documents-routes")).DocumentsRoute }) },
              { path: "/documents/:documentId", lazy: async () => ({ Component: (await import("@/app/documents-routes")).DocumentRoute }) },
              { path: "/token-history", lazy: async () => ({ Component: (await import("@/features/tokens/token-history")).TokenHistory }) },
              { path: "/purchase-tokens", element: <BuyRoute /> },
              { path: "/payment-success", element: <SuccessRoute /> },
              { path: "/payment-failure", element: <FailurePage /> },
              { path: "*", element: <NotFound /> },
            ],
          },
        ],
      },
    ],
  },
])
