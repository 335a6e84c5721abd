import { Waiting } from "@/components/ui/spinner"
import { loginPath } from "@/features/auth/redirect"
import { useSession } from "@/lib/auth/use-session"
import { Navigate, Outlet, useLocation } from "react-router"

/** Lets only signed-in people through; the others come back here after signing in. */
export function RequireSession() {
  const session = useSession()
  const location = useLocation()
  if (session.status === "loading") return <Waiting label="Loading" />
  if (session.status === "signed-out") {
    // Whoever left on purpose may hand the tab to someone else: they begin at the beginning.
    const next = session.why === "left" ? "/" : location.pathname + location.search
    return <Navigate to={loginPath(next, session.why === "expired")} replace />
  }
  // Another person in the same tab starts with nothing of the one before.
  return <Outlet key={session.userId} />
}
