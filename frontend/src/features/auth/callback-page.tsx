import { Logo } from "@/components/logo"
import { Button } from "@/components/ui/button"
import { Notice } from "@/components/ui/notice"
import { Waiting } from "@/components/ui/spinner"
import { useSession } from "@/lib/auth/use-session"
import { LinkIcon } from "lucide-react"
import { Link, Navigate } from "react-router"

/** Where confirmation links lead. The session client reads the link by itself; here its outcome is shown. */
export function CallbackPage() {
  const session = useSession()
  if (session.status === "signed-in") return <Navigate to="/" replace />
  if (session.status === "loading") return <Waiting label="Signing you in" />
  return (
    <main className="grid h-full place-items-center px-5">
      <div className="w-full max-w-[23rem]">
        <Logo className="mb-9" />
        <Notice
          icon={LinkIcon}
          tone="warn"
          title="This link is no longer valid"
          actions={
            <Button size="small" asChild>
              <Link to="/login">Go to sign-in</Link>
            </Button>
          }
        >
          Links work once and for a limited time. If you confirmed your address before, just sign in.
        </Notice>
      </div>
    </main>
  )
}
