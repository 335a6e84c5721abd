import { toApiError } from "@/lib/api/client"
import { expect, test } from "vitest"

test("a refusal keeps its code, message, field, request id and waiting time", async () => {
  const body = { error: { code: "rate_limited", message: "Too many.", request_id: "r1", field: null } }
  const response = Response.json(body, { status: 429, headers: { "retry-after": "12" } })
  expect(await toApiError(response)).toMatchObject({
    status: 429,
    code: "rate_limited",
    message: "Too many.",
    requestId: "r1",
    field: null,
    retryAfterSeconds: 12,
  })
})

test("a proxy's page of HTML becomes a plain error without its text", async () => {
  const response = new Response("<h1>nginx: secret backend</h1>", { status: 502, headers: { "x-request-id": "r2" } })
  const error = await toApiError(response)
  expect(error).toMatchObject({ status: 502, code: "unknown", requestId: "r2", retryAfterSeconds: null })
  expect(error.message).not.toContain("nginx")
})
