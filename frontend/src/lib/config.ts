import { z } from "zod"

const address = z.url({ protocol: /^https?$/, error: "must be an http(s) address" })

const environmentSchema = z.object({
  VITE_SUPABASE_URL: address,
  VITE_SUPABASE_ANON_KEY: z.string("is missing").min(1, "is missing"),
  VITE_AGENT_ENDPOINT: address,
})

const AGENT_PATH = "/api/pydantic-agent"

export type Config = {
  /** Where the sign-in service lives, without a trailing slash. */
  supabaseUrl: string
  supabaseAnonKey: string
  /** POST here to ask. */
  agentEndpoint: string
  /** Every other route of the API hangs below this, e.g. `${apiBase}/api/balance`. */
  apiBase: string
}

export type ConfigResult = { ok: true; config: Config } | { ok: false; problems: string[] }

/** Reads the VITE_* values; names every missing or wrong one at once. */
export function readConfig(environment: Record<string, unknown>): ConfigResult {
  const filled = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ""))
  const parsed = environmentSchema.safeParse(filled)
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => {
      const name = String(issue.path[0])
      return filled[name] === undefined ? `${name} is missing` : `${name} ${issue.message}`
    })
    return { ok: false, problems }
  }
  const agentEndpoint = parsed.data.VITE_AGENT_ENDPOINT.replace(/\/+$/, "")
  if (!agentEndpoint.endsWith(AGENT_PATH)) {
    return { ok: false, problems: [`VITE_AGENT_ENDPOINT must end in ${AGENT_PATH}`] }
  }
  return {
    ok: true,
    config: {
      supabaseUrl: parsed.data.VITE_SUPABASE_URL.replace(/\/+$/, ""),
      supabaseAnonKey: parsed.data.VITE_SUPABASE_ANON_KEY,
      agentEndpoint,
      apiBase: agentEndpoint.slice(0, -AGENT_PATH.length),
    },
  }
}

/** What the server hands out at run time (`/config.js`) wins over what was built in; an empty value does not. */
export function mergeEnvironment(built: Record<string, unknown>, served: unknown): Record<string, unknown> {
  const values = typeof served === "object" && served !== null ? Object.entries(served) : []
  return { ...built, ...Object.fromEntries(values.filter(([, value]) => value !== "")) }
}

const served: unknown = Reflect.get(globalThis, "__SITE_CONFIG__")

export const configResult = readConfig(mergeEnvironment(import.meta.env, served))

/** The configuration of this site. `main.tsx` renders nothing that calls this when it is incomplete. */
export function getConfig(): Config {
  if (!configResult.ok) throw new Error(configResult.problems.join("; "))
  return configResult.config
}
