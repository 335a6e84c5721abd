import { describeFailure, parseStreamError, wasNotAccepted } from "@/features/chat/failures"
import { ApiError, NetworkError } from "@/lib/errors"
import { describe, expect, test } from "vitest"

const refusal = (status: number, details: { retryAfterSeconds?: number; requestId?: string } = {}) =>
  new ApiError({ status, code: "some_code", message: "Words.", ...details })
const before = { accepted: false, released: false }
const NOW = 1_000_000

describe("describeFailure", () => {
  test.each([
    [401, { kind: "signed-out" }],
    [402, { kind: "no-tokens" }],
    [404, { kind: "gone" }],
    [409, { kind: "busy" }],
    [413, { kind: "too-long" }],
    [422, { kind: "invalid", message: "Words." }],
    [500, { kind: "server", reference: null }],
    [503, { kind: "server", reference: null }],
  ])("status %i", (status, failure) => {
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

test.each(["", "plain words", "null", "[]", '{"code":1}'])("parseStreamError(%j) is null", (text) => {
  expect(parseStreamError(text)).toBeNull()
})

test("only what was refused goes back to the composer", () => {
  expect(wasNotAccepted({ kind: "no-tokens" })).toBe(true)
  expect(wasNotAccepted({ kind: "offline" })).toBe(true)
  expect(wasNotAccepted({ kind: "lost" })).toBe(false)
  expect(wasNotAccepted({ kind: "answer", code: "c", message: "m", returned: true })).toBe(false)
})
