import { test as base, expect, type BrowserContext, type Locator, type Page } from "@playwright/test"
import { randomUUID } from "node:crypto"
import { Client } from "pg"
import { requireStack } from "./stack"

export { expect }

export type Account = { email: string; password: string; name: string }

export const PASSWORD = "correct-horse-7"

export function newAccount(): Account {
  return { email: `${randomUUID()}@example.com`, password: PASSWORD, name: "Test Person" }
}

const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"])

type Fixtures = { watched: undefined }

/** Every test also proves that no request left this machine and that no script of the page failed. */
export const test = base.extend<Fixtures>({
  watched: [
    async ({ context, browser }, use) => {
      const strangers: string[] = []
      const faults: string[] = []
      const note = (address: string) => {
        const url = new URL(address)
        if (/^(http|ws)s?:$/.test(url.protocol) && !LOOPBACK.has(url.hostname)) strangers.push(address)
      }
      const watch = (watched: BrowserContext) => {
        watched.on("request", (request) => note(request.url()))
        watched.on("page", (page) => page.on("websocket", (socket) => note(socket.url())))
        watched.on("weberror", (fault) => faults.push(fault.error().message))
        watched.on("console", (message) => {
          if (message.type() === "error" && message.text().includes("Content Security Policy")) faults.push(message.text())
        })
      }
      watch(context)
      // And those that a test opens for a second person.
      browser.on("context", watch)
      await use(undefined)
      browser.off("context", watch)
      expect(strangers, "requests to other hosts").toEqual([])
      expect(faults, "errors in the page").toEqual([])
    },
    { auto: true },
  ],
})

export async function signUp(page: Page, account: Account = newAccount()): Promise<Account> {
  await page.goto("/login?mode=sign-up")
  await page.getByLabel("Name").fill(account.name)
  await page.getByLabel("Email").fill(account.email)
  await page.getByLabel("Password").fill(account.password)
  await page.getByRole("button", { name: "Create account" }).click()
  await expect(composer(page)).toBeVisible()
  return account
}

export async function signIn(page: Page, account: Account): Promise<void> {
  await page.getByLabel("Email").fill(account.email)
  await page.getByLabel("Password").fill(account.password)
  await page.getByRole("button", { name: "Sign in", exact: true }).click()
}

export const composer = (page: Page): Locator => page.getByRole("textbox", { name: "Message", exact: true })
export const questions = (page: Page): Locator => page.getByRole("article", { name: "You" })
export const answers = (page: Page): Locator => page.getByRole("article", { name: "Answer" })
/** Answers that are whole; the one being written is not among them. */
export const settledAnswers = (page: Page): Locator => page.locator('article[aria-label="Answer"][data-live="false"]')
export const liveAnswer = (page: Page): Locator => page.locator('article[aria-label="Answer"][data-live="true"]')
export const balance = (page: Page): Locator => page.getByTestId("balance-tokens")
export const sidebar = (page: Page): Locator => page.getByRole("complementary", { name: "Conversations" })

/** Waits for the end of an answer that was made to last. */
export async function expectEnding(answer: Locator, text: string): Promise<void> {
  await expect(answer).toContainText(text, { timeout: 90_000 })
}

export async function ask(page: Page, text: string): Promise<void> {
  await composer(page).fill(text)
  await composer(page).press("Enter")
}

/** Asks and waits for the whole answer. */
export async function askAndWait(page: Page, text: string): Promise<void> {
  const before = await settledAnswers(page).count()
  await ask(page, text)
  await expect(settledAnswers(page)).toHaveCount(before + 1)
  await expect(page).toHaveURL(/\/c\//)
  // The chat glides to the end of the answer; until it has arrived, what is pressed would slip from under the mouse.
  await expect.poll(() => settledAnswers(page).last().evaluate(remainingScroll)).toBeLessThan(4)
}

/** How far the chat around an element is from its end, in CSS pixels. */
function remainingScroll(element: Element): number {
  let chat = element.parentElement
  while (chat && getComputedStyle(chat).overflowY !== "auto") chat = chat.parentElement
  return chat ? chat.scrollHeight - chat.clientHeight - chat.scrollTop : 0
}

export async function withDatabase<Result>(work: (client: Client) => Promise<Result>): Promise<Result> {
  const client = new Client({ connectionString: requireStack().databaseUrl })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

/** Lets every token of an account run out, as if its time had come. */
export async function expireTokens(email: string): Promise<void> {
  await withDatabase((client) =>
    client.query(
      "update public.token_grants set expires_at = now() where user_id = (select id from public.user_profiles where email = $1)",
      [email],
    ),
  )
}

/** Makes every turn of an account begin this long ago, all in one moment. */
export async function moveTurnsBack(email: string, seconds: number): Promise<void> {
  await withDatabase((client) =>
    client.query(
      `update public.requests set timestamp = now() - make_interval(secs => $2)
       where user_id = (select id from public.user_profiles where email = $1)`,
      [email, seconds],
    ),
  )
}

/** What the ledger says was spent and returned, newest last. */
export async function ledgerOf(email: string): Promise<string[]> {
  const result = await withDatabase((client) =>
    client.query<{ entry: string }>(
      `select t.transaction_type || ' ' || t.tokens as entry
       from public.transactions as t join public.user_profiles as p on p.id = t.user_id
       where p.email = $1 order by t.seq`,
      [email],
    ),
  )
  return result.rows.map((row) => row.entry)
}

/** How the newest turn of an account stands. */
export async function lastTurnOf(email: string): Promise<string | undefined> {
  const result = await withDatabase((client) =>
    client.query<{ status: string }>(
      `select r.status from public.requests as r join public.user_profiles as p on p.id = r.user_id
       where p.email = $1 order by r.timestamp desc limit 1`,
      [email],
    ),
  )
  return result.rows[0]?.status
}
