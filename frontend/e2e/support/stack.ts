import { existsSync, readFileSync } from "node:fs"
import { resolve } from "node:path"
import { fileURLToPath } from "node:url"

export type Stack = { siteUrl: string; apiUrl: string; authUrl: string; databaseUrl: string; stripeUrl: string; stripeKey: string }

export const repository = fileURLToPath(new URL("../../../", import.meta.url))

/** `deploy.py` runs in the repository's root, so that is what a relative folder is relative to. */
function environmentFile(): string {
  if (process.env.EMBEDDED_STACK_ENV) return resolve(repository, process.env.EMBEDDED_STACK_ENV)
  return resolve(repository, process.env.EMBEDDED_STATE_DIR ?? ".embedded", "env")
}

/** What the embedded stack says of itself, by name; empty when it was never started. */
export function readEnvironment(): Map<string, string> {
  const file = environmentFile()
  if (!existsSync(file)) return new Map()
  return new Map(
    readFileSync(file, "utf8")
      .split("\n")
      .filter((line) => line.includes("="))
      .map((line): [string, string] => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  )
}

/** Where the embedded stack listens, from the file it writes; null when it was never started. */
export function readStack(): Stack | null {
  const values = readEnvironment()
  if (values.size === 0) return null
  const value = (name: string) => {
    const found = values.get(name)
    if (!found) throw new Error(`${environmentFile()} holds no ${name}`)
    return found
  }
  return {
    siteUrl: value("FRONTEND_URL"),
    apiUrl: value("API_URL"),
    authUrl: value("SUPABASE_URL"),
    databaseUrl: value("DATABASE_URL"),
    stripeUrl: value("STRIPE_API_BASE"),
    stripeKey: value("STRIPE_SECRET_KEY"),
  }
}

export function requireStack(): Stack {
  const stack = readStack()
  if (!stack) throw new Error("The embedded stack has not been started.")
  return stack
}
