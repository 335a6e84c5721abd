import { describeFailure, isGone, parseStreamError, wasNotAccepted } from "@/features/chat/failures"
import { ApiError, NetworkError } from "@/lib/errors"
import { describe, expect, test } from "vitest"

const refusal = (status: number, details: { code?: string; retryAfterSeconds?: number; requestId?: string } = {}) =>
  new ApiError({ status, code: "some_code", message: "Words.", ...details })
const before = { accepted: false, released: false }
const NOW = 1_000_000

describe("describeFailure", () => {
  test.each([
    ["unauthorized", 401, { kind: "signed-out" }],
    ["account_not_found", 401, { kind: "signed-out" }],
    ["insufficient_tokens", 402, { kind: "no-tokens" }],
    ["conversation_not_found", 404, { kind: "gone" }],
    ["message_not_found", 404, { kind: "gone" }],
    ["run_in_progress", 409, { kind: "busy" }],
    ["request_id_conflict", 409, { kind: "mixed-up" }],
    ["message_too_large", 413, { kind: "too-long" }],
    ["invalid_request", 422, { kind: "invalid", message: "Words." }],
    ["rate_limited", 429, { kind: "rate-limit", retryAt: NOW + 30_000 }],
    ["database_unavailable", 503, { kind: "unavailable", message: "Words." }],
    ["auth_unavailable", 503, { kind: "unavailable", message: "Words." }],
    ["server_busy", 503, { kind: "unavailable", message: "Words." }],
    ["internal_error", 500, { kind: "server", reference: null }],
  ])("%s", (code, status, failure) => {
    expect(describeFailure(refusal(status, { code }), before, NOW)).toEqual(failure)
  })

  test("the code counts for more than the status", () => {
    expect(describeFailure(refusal(400, { code: "insufficient_tokens" }), before)).toEqual({ kind: "no-tokens" })
  })

  test.each([
    [401, { kind: "signed-out" }],
    [402, { kind: "no-tokens" }],
    [404, { kind: "gone" }],
    [409, { kind: "busy" }],
    [413, { kind: "too-long" }],
    [422, { kind: "invalid", message: "Words." }],
    [500, { kind: "server", reference: null }],
    [503, { kind: "server", reference: null }],
  ])("status %i with a code that is not known here", (status, failure) => {
    expect(describeFailure(refusal(status), before, NOW)).toEqual(failure)
  })

  test("a rate limit says when it ends", () => {
    const failure = describeFailure(refusal(429, { retryAfterSeconds: 7 }), before, NOW)
    expect(failure).toEqual({ kind: "rate-limit", retryAt: NOW + 7_000 })
  })

  test("a fault of the server carries its reference", () => {
    const failure = describeFailure(refusal(500, { requestId: "r1" }), before, NOW)
    expect(failure).toEqual({ kind: "server", reference: "r1" })
  })

  test("no answer at all is offline before the question was taken in, and a lost line after", () => {
    expect(describeFailure(new NetworkError(), before)).toEqual({ kind: "offline" })
    expect(describeFailure(new NetworkError(), { accepted: true, released: false })).toEqual({ kind: "lost" })
  })

  test("an error of the stream says whether the token went back", () => {
    const error = new Error('{"code":"model_unavailable","message":"The model is away."}')
    const failure = describeFailure(error, { accepted: true, released: true })
    expect(failure).toEqual({ kind: "answer", code: "model_unavailable", message: "The model is away.", returned: true })
  })

  test("the text of an unknown error never reaches the page", () => {
    const failure = describeFailure(new Error("SECRET at line 3"), before)
    expect(JSON.stringify(failure)).not.toContain("SECRET")
  })
})

test("what is gone is told from what cannot be read just now", () => {
  expect(isGone(refusal(404, { code: "conversation_not_found" }))).toBe(true)
  expect(isGone(refusal(503, { code: "database_unavailable" }))).toBe(false)
  expect(isGone(new NetworkError())).toBe(false)
})

test.each(["", "plain words", "null", "[]", '{"code":1}'])("parseStreamError(%j) is null", (text) => {
  expect(parseStreamError(text)).toBeNull()
})

test("only what was refused goes back to the composer", () => {
  expect(wasNotAccepted({ kind: "no-tokens" })).toBe(true)
  expect(wasNotAccepted({ kind: "offline" })).toBe(true)
  expect(wasNotAccepted({ kind: "lost" })).toBe(false)
  expect(wasNotAccepted({ kind: "answer", code: "c", message: "m", returned: true })).toBe(false)
})
