import { spawn } from "node:child_process"
import { createServer, type AddressInfo } from "node:net"
import { resolve } from "node:path"
import { readEnvironment, repository, requireStack } from "./stack"

const START_TIMEOUT_MS = 45_000
const ASK_EVERY_MS = 200

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready))
  const { port } = server.address() as AddressInfo
  await new Promise((closed) => server.close(closed))
  return port
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/health/ready`)).ok
  } catch {
    return false
  }
}

/** The same API on the same database, started without the settings whose names begin so. */
export async function startApiWithout(prefix: string): Promise<{ url: string; stop: () => Promise<void> }> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const settings = Object.fromEntries([...readEnvironment()].filter(([name]) => !name.startsWith(prefix)))
  const python = resolve(repository, ".embedded", "venvs", "agent_api", "bin", "python")
  const server = spawn(python, ["-m", "uvicorn", "agent_api:app", "--host", "127.0.0.1", "--port", String(port)], {
    cwd: resolve(repository, "backend_agent_api"),
    env: { PATH: process.env.PATH, ...settings, AGENT_API_ENV_FILE: "", CORS_ORIGINS: requireStack().siteUrl, LLM_API_KEY: "unused" },
    stdio: "ignore",
  })
  const ended = new Promise<void>((resolveEnd) => server.once("exit", () => resolveEnd()))
  const stop = async () => {
    server.kill("SIGTERM")
    await ended
  }
  const deadline = Date.now() + START_TIMEOUT_MS
  while (!(await isReady(url))) {
    if (server.exitCode !== null || Date.now() > deadline) {
      await stop()
      throw new Error("The second API did not start.")
    }
    await new Promise((wake) => setTimeout(wake, ASK_EVERY_MS))
  }
  return { url, stop }
}
