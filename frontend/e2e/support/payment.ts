import type { Page, TestFixture } from "@playwright/test"
import { expect, withDatabase } from "./app"
import { requireStack } from "./stack"

export const CARDS = {
  good: "4242 4242 4242 4242",
  declined: "4000 0000 0000 0002",
  authentication: "4000 0025 0000 3155",
} as const

const PAYMENT_SERVICE_LOCK = 4_242_424_242

/** Pauses and faults of the payment service are everybody's: one test after the other, in all of the workers. */
export const alone: { alone: [TestFixture<undefined, object>, { auto: true; timeout: number }] } = {
  alone: [
    async ({}, use) =>
      withDatabase(async (client) => {
        await client.query("select pg_advisory_lock($1)", [PAYMENT_SERVICE_LOCK])
        await use(undefined)
      }),
    // As long as all the others that wait for it, too.
    { auto: true, timeout: 1_800_000 },
  ],
}

/** Opens the payment page of a pack, such as "100 tokens". */
export async function choosePack(page: Page, pack: string): Promise<void> {
  await page.getByRole("listitem", { name: pack }).getByRole("button").click()
  await expect(page).toHaveURL(/\/c\/pay\//)
}

/** Fills in the payment page as a customer would, and pays. */
export async function payWith(page: Page, card: string): Promise<void> {
  await page.getByLabel("Card number").fill(card)
  await page.getByLabel("Expiration date").fill("12 / 40")
  await page.getByLabel("CVC").fill("123")
  await page.getByLabel("Name on card").fill("Test card")
  await page.getByRole("button", { name: /^Pay / }).click()
}

export const purchaseIdOf = (page: Page): string => new URL(page.url()).searchParams.get("purchase_id") ?? ""

/** What a test may ask the stand-in for Stripe; see its README. */
export async function control<Answer>(path: string, body?: unknown): Promise<Answer> {
  const response = await fetch(`${requireStack().stripeUrl}${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: { "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`)
  return (await response.json()) as Answer
}

/** The payment of a purchase, as Stripe's API tells it. */
export async function chargesOf(purchaseId: string): Promise<{ id: string; amount: number; status: string }[]> {
  const { stripeUrl, stripeKey } = requireStack()
  const get = async <Item>(path: string) => {
    const response = await fetch(`${stripeUrl}${path}`, { headers: { authorization: `Bearer ${stripeKey}` } })
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`)
    return ((await response.json()) as { data: Item[] }).data
  }
  const intents = await get<{ id: string; metadata: Record<string, string> }>("/v1/payment_intents?limit=100")
  const ours = intents.filter((intent) => intent.metadata.purchase_id === purchaseId)
  const charges = await Promise.all(
    ours.map((intent) => get<{ id: string; amount: number; status: string }>(`/v1/charges?limit=100&payment_intent=${intent.id}`)),
  )
  return charges.flat()
}

/** Ends every failure that a test planned. */
export async function mendStripe(): Promise<void> {
  await fetch(`${requireStack().stripeUrl}/sandbox/faults`, { method: "DELETE" })
}
