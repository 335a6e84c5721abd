import { Button } from "@/components/ui/button"
import { Field } from "@/components/ui/field"
import { Notice } from "@/components/ui/notice"
import { describeAuthError, PASSWORD_CHARACTERS_MIN, type AuthProblem } from "@/features/auth/auth-errors"
import { getAuthClient } from "@/lib/auth/session"
import { zodResolver } from "@hookform/resolvers/zod"
import { CircleAlert } from "lucide-react"
import { useState } from "react"
import { useForm } from "react-hook-form"
import { z } from "zod"

export type Mode = "sign-in" | "sign-up"

const email = z.email("Enter an email address, like name@example.com.")
const schemas = {
  "sign-in": z.object({ name: z.string(), email, password: z.string().min(1, "Enter your password.") }),
  "sign-up": z.object({
    name: z.string().max(100, "At most 100 characters."),
    email,
    password: z.string().min(PASSWORD_CHARACTERS_MIN, `Use at least ${PASSWORD_CHARACTERS_MIN} characters.`).max(72, "At most 72 characters."),
  }),
}
type Values = z.infer<(typeof schemas)["sign-up"]>

type CredentialsFormProps = {
  mode: Mode
  onSwitch: (mode: Mode) => void
  /** The account waits for the link in a mail. */
  onConfirmationSent: (email: string) => void
}

/** Returns what is wrong, or whether a confirmation mail is on its way. */
async function submit(mode: Mode, values: Values): Promise<AuthProblem | "signed-in" | "confirm"> {
  const client = getAuthClient()
  const { email: address, password } = values
  if (mode === "sign-in") {
    const { error } = await client.signInWithPassword({ email: address, password })
    return error ? describeAuthError(error) : "signed-in"
  }
  const name = values.name.trim()
  const { data, error } = await client.signUp({
    email: address,
    password,
    options: { emailRedirectTo: `${location.origin}/auth/callback`, data: name === "" ? {} : { full_name: name } },
  })
  if (error) return describeAuthError(error)
  if (data.session) return "signed-in"
  // With mail confirmation on, Supabase hides that an account exists, except for this.
  if (data.user?.identities?.length === 0) return { field: "email", message: "There is already an account with this email.", suggestSignIn: true }
  return "confirm"
}

export function CredentialsForm({ mode, onSwitch, onConfirmationSent }: CredentialsFormProps) {
  const [problem, setProblem] = useState<AuthProblem | null>(null)
  const form = useForm<Values>({
    resolver: zodResolver(schemas[mode]),
    defaultValues: { name: "", email: "", password: "" },
    mode: "onTouched",
  })
  const { errors, isSubmitting } = form.formState

  const onSubmit = form.handleSubmit(async (values) => {
    setProblem(null)
    const result = await submit(mode, values).catch(describeAuthError)
    if (result === "signed-in") return
    if (result === "confirm") {
      onConfirmationSent(values.email)
      return
    }
    setProblem(result)
    if (result.field) form.setFocus(result.field)
  })

  const messageFor = (field: "email" | "password") => errors[field]?.message ?? (problem?.field === field ? problem.message : undefined)
  return (
    <form noValidate onSubmit={(event) => void onSubmit(event)} className="space-y-4">
      {mode === "sign-up" ? (
        <Field label="Name (optional)" autoComplete="name" error={errors.name?.message} {...form.register("name")} />
      ) : null}
      <Field label="Email" type="email" autoComplete="email" inputMode="email" error={messageFor("email")} {...form.register("email")} />
      <Field
        label="Password"
        type="password"
        autoComplete={mode === "sign-in" ? "current-password" : "new-password"}
        hint={mode === "sign-up" ? `At least ${PASSWORD_CHARACTERS_MIN} characters.` : undefined}
        error={messageFor("password")}
        {...form.register("password")}
      />
      {problem?.field === null ? <Notice icon={CircleAlert} tone="danger" title={problem.message} /> : null}
      {problem?.suggestSignIn ? (
        <Button className="w-full" onClick={() => onSwitch("sign-in")}>
          Sign in instead
        </Button>
      ) : null}
      <p role="status" className="sr-only">
        {problem?.message}
      </p>
      <Button type="submit" look="primary" className="h-11 w-full" disabled={isSubmitting}>
        {isSubmitting ? (mode === "sign-in" ? "Signing in…" : "Creating your account…") : mode === "sign-in" ? "Sign in" : "Create account"}
      </Button>
    </form>
  )
}
