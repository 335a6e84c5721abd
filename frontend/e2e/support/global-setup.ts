import { execFileSync } from "node:child_process"
import { readStack, repository, type Stack } from "./stack"

const HEALTH_TIMEOUT_MS = 30_000

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(HEALTH_TIMEOUT_MS) })).ok
  } catch {
    return false
  }
}

async function isHealthy(stack: Stack | null): Promise<boolean> {
  if (!stack) return false
  const healthy = await Promise.all([answers(`${stack.siteUrl}/health`), answers(`${stack.apiUrl}/health/ready`)])
  return healthy.every(Boolean)
}

function deploy(...flags: string[]): void {
  execFileSync("python3", [`${repository}deploy.py`, "--type", "embedded", ...flags], { cwd: repository, stdio: "inherit" })
}

/** Uses the stack that runs; starts one where none does, and then stops it again. */
export default async function globalSetup(): Promise<(() => void) | undefined> {
  if (await isHealthy(readStack())) return undefined
  deploy("--detach")
  return () => deploy("--down")
}
