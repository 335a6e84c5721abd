import { mergeEnvironment, readConfig } from "@/lib/config"
import { describe, expect, test } from "vitest"

const complete = {
  VITE_SUPABASE_URL: "http://localhost:54321/",
  VITE_SUPABASE_ANON_KEY: "key",
  VITE_AGENT_ENDPOINT: "http://localhost:8001/api/pydantic-agent",
}

describe("readConfig", () => {
  test("derives the base of the API from the agent's address", () => {
    expect(readConfig(complete)).toEqual({
      ok: true,
      config: {
        supabaseUrl: "http://localhost:54321",
        supabaseAnonKey: "key",
        agentEndpoint: "http://localhost:8001/api/pydantic-agent",
        apiBase: "http://localhost:8001",
      },
    })
  })

  test("an API below a path keeps it", () => {
    const result = readConfig({ ...complete, VITE_AGENT_ENDPOINT: "https://example.com/agent/api/pydantic-agent/" })
    expect(result.ok && result.config.apiBase).toBe("https://example.com/agent")
  })

  test("names everything that is missing or wrong at once", () => {
    expect(readConfig({ VITE_SUPABASE_URL: "localhost:54321", VITE_SUPABASE_ANON_KEY: "" })).toEqual({
      ok: false,
      problems: [
        "VITE_SUPABASE_URL must be an http(s) address",
        "VITE_SUPABASE_ANON_KEY is missing",
        "VITE_AGENT_ENDPOINT is missing",
      ],
    })
  })

  test("refuses an agent address from which the API cannot be derived", () => {
    const result = readConfig({ ...complete, VITE_AGENT_ENDPOINT: "http://localhost:8001" })
    expect(result).toEqual({ ok: false, problems: ["VITE_AGENT_ENDPOINT must end in /api/pydantic-agent"] })
  })
})

describe("mergeEnvironment", () => {
  test("what is served wins over what was built in, unless it is empty", () => {
    const merged = mergeEnvironment(complete, {
      VITE_SUPABASE_URL: "https://auth.example.com",
      VITE_SUPABASE_ANON_KEY: "",
    })
    expect(merged).toEqual({ ...complete, VITE_SUPABASE_URL: "https://auth.example.com" })
  })

  test.each([undefined, null, "text"])("without a table of values the build's stand (%s)", (served) => {
    expect(mergeEnvironment(complete, served)).toEqual(complete)
  })
})
