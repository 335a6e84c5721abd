import { spawn } from "node:child_process"
import { resolve } from "node:path"
import { readEnvironment, repository, requireStack } from "./stack"

const START_TIMEOUT_MS = 90_000
const ASK_EVERY_MS = 200

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/health/ready`)).ok
  } catch {
    return false
  }
}

/** The same API on the same database, started without the settings whose names begin so. */
export async function startApiWithout(prefix: string): Promise<{ url: string; stop: () => Promise<void> }> {
  const settings = Object.fromEntries([...readEnvironment()].filter(([name]) => !name.startsWith(prefix)))
  const python = resolve(repository, ".embedded", "venvs", "agent_api", "bin", "python")
  const server = spawn(python, ["-m", "uvicorn", "agent_api:app", "--host", "127.0.0.1", "--port", "0"], {
    cwd: resolve(repository, "backend_agent_api"),
    env: { PATH: process.env.PATH, ...settings, AGENT_API_ENV_FILE: "", CORS_ORIGINS: requireStack().siteUrl, LLM_API_KEY: "unused", LOG_LEVEL: "INFO" },
    stdio: ["ignore", "pipe", "ignore"],
  })
  // The system chose the port, and nobody else can have it; it is told once connections are accepted.
  let printed = ""
  server.stdout.on("data", (chunk: Buffer) => (printed += chunk.toString()))
  const address = () => /running on (http:\/\/127\.0\.0\.1:\d+)/.exec(printed)?.[1]
  const ended = new Promise<void>((resolveEnd) => server.once("exit", () => resolveEnd()))
  const stop = async () => {
    server.kill("SIGTERM")
    await ended
  }
  const deadline = Date.now() + START_TIMEOUT_MS
  let url: string | undefined
  while (!((url = address()) && (await isReady(url)))) {
    if (server.exitCode !== null || Date.now() > deadline) {
      await stop()
      throw new Error("The second API did not start.")
    }
    await new Promise((wake) => setTimeout(wake, ASK_EVERY_MS))
  }
  return { url, stop }
}
