import { describeAuthError } from "@/features/auth/auth-errors"
import { AuthApiError, AuthRetryableFetchError, AuthWeakPasswordError } from "@supabase/auth-js"
import { expect, test } from "vitest"

test.each([
  [new AuthApiError("Invalid login credentials", 400, "invalid_credentials"), "password", /do not match/],
  [new AuthApiError("Invalid login credentials", 400, undefined), "password", /do not match/],
  [new AuthApiError("User already registered", 422, "user_already_exists"), "email", /already an account/],
  [new AuthApiError("User already registered", 422, undefined), "email", /already an account/],
  [new AuthWeakPasswordError("weak", 422, ["length"]), "password", /too easy/],
  [new AuthApiError("slow down", 429, "over_request_rate_limit"), null, /Too many attempts/],
  [new AuthRetryableFetchError("Failed to fetch", 0), null, /cannot be reached/],
  [new AuthApiError("relation auth.users does not exist", 500, "unexpected_failure"), null, /^That did not work/],
  [new TypeError("x is undefined"), null, /^That did not work/],
])("%s", (error, field, message) => {
  const problem = describeAuthError(error)
  expect(problem.field).toBe(field)
  expect(problem.message).toMatch(message)
})
