import { Logo } from "@/components/logo"
import { Button } from "@/components/ui/button"
import { Notice } from "@/components/ui/notice"
import { CredentialsForm, type Mode } from "@/features/auth/credentials-form"
import { safeNext } from "@/features/auth/redirect"
import { useSession } from "@/lib/auth/use-session"
import { LogIn, MailCheck } from "lucide-react"
import { useState } from "react"
import { Navigate, useSearchParams } from "react-router"

const headings: Record<Mode, { title: string; question: string; other: string }> = {
  "sign-in": { title: "Welcome back", question: "New here?", other: "Create an account" },
  "sign-up": { title: "Create your account", question: "Have an account already?", other: "Sign in" },
}

export function LoginPage() {
  const session = useSession()
  const [query, setQuery] = useSearchParams()
  const [confirmAddress, setConfirmAddress] = useState<string | null>(null)
  if (session.status === "signed-in") return <Navigate to={safeNext(query.get("next"))} replace />

  const mode: Mode = query.get("mode") === "sign-up" ? "sign-up" : "sign-in"
  const { title, question, other } = headings[mode]
  const switchTo = (next: Mode) =>
    setQuery(
      (current) => {
        if (next === "sign-up") current.set("mode", next)
        else current.delete("mode")
        current.delete("expired")
        return current
      },
      { replace: true },
    )

  return (
    <main className="grid h-full place-items-center overflow-y-auto px-5 py-10">
      <div className="w-full max-w-[23rem]">
        <Logo className="mb-9" />
        {confirmAddress === null ? (
          <>
            <h1 className="font-serif text-3xl font-medium tracking-tight">{title}</h1>
            <p className="mt-2 mb-7 text-ink-soft">
              {question}{" "}
              <Button look="link" onClick={() => switchTo(mode === "sign-in" ? "sign-up" : "sign-in")}>
                {other}
              </Button>
            </p>
            {query.get("expired") === "1" ? (
              <Notice icon={LogIn} tone="warn" title="Your session has ended" className="mb-5">
                Sign in again and you are back where you were. What you had typed is kept.
              </Notice>
            ) : null}
            <CredentialsForm key={mode} mode={mode} onSwitch={switchTo} onConfirmationSent={setConfirmAddress} />
          </>
        ) : (
          <Notice icon={MailCheck} title="Check your inbox">
            We sent a link to {confirmAddress}. Open it to confirm your address and sign in.
          </Notice>
        )}
      </div>
    </main>
  )
}
