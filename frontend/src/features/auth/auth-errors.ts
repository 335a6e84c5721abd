import { isAuthError, isAuthRetryableFetchError, isAuthWeakPasswordError } from "@supabase/auth-js"

export type AuthProblem = { field: "email" | "password" | null; message: string; suggestSignIn?: boolean }

export const PASSWORD_CHARACTERS_MIN = 8

const byCode = {
  invalid_credentials: { field: "password", message: "Email and password do not match. Check both and try again." },
  user_already_exists: { field: "email", message: "There is already an account with this email.", suggestSignIn: true },
  email_exists: { field: "email", message: "There is already an account with this email.", suggestSignIn: true },
  weak_password: { field: "password", message: "This password is too easy to guess. Make it longer or mix in other characters." },
  email_address_invalid: { field: "email", message: "This email address is not accepted." },
  validation_failed: { field: null, message: "Check the email address and the password." },
  email_not_confirmed: { field: "email", message: "Confirm your email first: the link is in your inbox." },
  signup_disabled: { field: null, message: "New accounts are closed at the moment." },
  over_request_rate_limit: { field: null, message: "Too many attempts. Wait a moment and try again." },
  over_email_send_rate_limit: { field: null, message: "Too many attempts. Wait a moment and try again." },
} satisfies Record<string, AuthProblem>

type Code = keyof typeof byCode

function isKnown(code: string | undefined): code is Code {
  return code !== undefined && code in byCode
}

/** Older sign-in services send words without a code. */
const byWords: [RegExp, Code][] = [
  [/invalid login credentials/i, "invalid_credentials"],
  [/already (been )?registered|already exists/i, "user_already_exists"],
  [/password should be|weak password/i, "weak_password"],
  [/not confirmed/i, "email_not_confirmed"],
  [/rate limit/i, "over_request_rate_limit"],
]

/** What a refused sign-in or sign-up means for the form. */
export function describeAuthError(error: unknown): AuthProblem {
  if (isAuthRetryableFetchError(error)) {
    return { field: null, message: "The sign-in service cannot be reached. Check your connection and try again." }
  }
  if (isAuthWeakPasswordError(error)) return byCode.weak_password
  if (isAuthError(error)) {
    if (isKnown(error.code)) return byCode[error.code]
    const guessed = byWords.find(([pattern]) => pattern.test(error.message))?.[1]
    if (guessed !== undefined) return byCode[guessed]
    if (error.status === 429) return byCode.over_request_rate_limit
  }
  return { field: null, message: "That did not work. Try again in a moment." }
}
