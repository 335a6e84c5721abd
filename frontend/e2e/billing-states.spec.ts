import { readFile } from "node:fs/promises"
import { expect, ledgerOf, signUp, withDatabase } from "./support/app"
import { alone, CARDS, chargesOf, choosePack, control, payWith, purchaseIdOf } from "./support/payment"
import { startApiWithout } from "./support/second-api"
import { requireStack } from "./support/stack"
import { test as base } from "./support/wire"

const test = base.extend(alone)

test("a payment that does not match its order credits nothing, says so and names the purchase", async ({ page }) => {
  const account = await signUp(page)
  await page.goto("/purchase-tokens")
  await choosePack(page, "100 tokens")
  // The order changes after the payment page was made: what is paid is then not what is asked.
  const purchaseId = await withDatabase(async (client) => {
    const changed = await client.query<{ id: string }>(
      `update public.purchases set price_minor = price_minor + 100
       where user_id = (select id from public.user_profiles where email = $1) returning id`,
      [account.email],
    )
    return changed.rows[0]?.id ?? ""
  })
  await payWith(page, CARDS.good)
  const main = page.getByRole("main")
  await expect(main.getByRole("heading", { level: 1 })).toHaveText("We are looking into this payment")
  await expect(main).toContainText("Please do not pay again")
  await expect(main).toContainText(purchaseId)
  expect(await ledgerOf(account.email)).toEqual(["signup_bonus 10"])
  await page.reload()
  await expect(main.getByRole("heading", { level: 1 })).toHaveText("We are looking into this payment")

  // A click on the pack leads back here, until the money is given back.
  await page.goto("/purchase-tokens")
  await page.getByRole("listitem", { name: "100 tokens" }).getByRole("button").click()
  await expect(main.getByRole("heading", { level: 1 })).toHaveText("We are looking into this payment")
  const [charge] = await chargesOf(purchaseId)
  await control(`/sandbox/charges/${charge?.id}/refund`, {})
  await expect(async () => {
    await page.reload()
    await expect(main.getByRole("heading", { level: 1 })).toHaveText("This purchase is closed", { timeout: 10_000 })
  }).toPass()
  await expect(main).toContainText("You can buy again.")
  await page.getByRole("link", { name: "Choose a pack" }).click()
  await choosePack(page, "100 tokens")
  await payWith(page, CARDS.good)
  await expect(main.getByRole("heading", { level: 1 })).toHaveText("100 tokens are yours")
  expect(purchaseIdOf(page)).not.toBe(purchaseId)
})

test("a purchase that was flagged and closed while its tab stayed on the packs is begun anew by a click", async ({ page }) => {
  const account = await signUp(page)
  await page.goto("/purchase-tokens")
  await choosePack(page, "100 tokens")
  const paymentPage = page.url()
  await page.goBack()
  // Flagged and dealt with, as the database keeps it.
  await withDatabase((client) =>
    client.query(
      `update public.purchases set status = 'flagged', flagged_reason = null
       where user_id = (select id from public.user_profiles where email = $1)`,
      [account.email],
    ),
  )
  await choosePack(page, "100 tokens")
  expect(page.url()).not.toBe(paymentPage)
})

test("a payment that is disputed before its page is seen says so, and such a pack can be bought again in the same tab", async ({ page }) => {
  const account = await signUp(page)
  // The page hears of its purchase only once that is disputed.
  let letHear: () => void = () => undefined
  const isDisputed = new Promise<void>((resolve) => (letHear = resolve))
  await page.route("**/api/purchases/*", async (route) => {
    await isDisputed
    await route.continue()
  })
  await page.goto("/purchase-tokens")
  await choosePack(page, "100 tokens")
  await payWith(page, CARDS.good)
  await expect(page).toHaveURL(/\/payment-success/)
  await expect.poll(() => ledgerOf(account.email)).toEqual(["signup_bonus 10", "purchase 100"])
  const first = purchaseIdOf(page)
  const [charge] = await chargesOf(first)
  const dispute = await control<{ id: string }>(`/sandbox/charges/${charge?.id}/dispute`, {})
  await expect.poll(() => ledgerOf(account.email)).toContain("dispute -100")
  letHear()
  const title = page.getByRole("main").getByRole("heading", { level: 1 })
  await expect(title).toHaveText("This payment is disputed")
  await page.goto("/purchase-tokens")
  await choosePack(page, "100 tokens")
  await payWith(page, CARDS.good)
  await expect(title).toHaveText("100 tokens are yours")
  expect(purchaseIdOf(page)).not.toBe(first)

  await control(`/sandbox/disputes/${dispute.id}/lose`, {})
  await expect(async () => {
    await page.goto(`/payment-success?purchase_id=${first}`)
    await expect(title).toHaveText("This payment was taken back", { timeout: 10_000 })
  }).toPass()
})

test("a question asked before the upgrade reads as spent, in the history and in the file", async ({ page }) => {
  const account = await signUp(page)
  // As earlier versions kept it: without a sign.
  await withDatabase((client) =>
    client.query(
      `insert into public.transactions (user_id, transaction_type, tokens)
       select id, 'consumption', 1 from public.user_profiles where email = $1`,
      [account.email],
    ),
  )
  await page.goto("/token-history")
  await expect(page.getByRole("main").getByRole("listitem")).toHaveText([/Question asked.*−1$/s, /Welcome bonus.*\+10/s])
  const downloading = page.waitForEvent("download")
  await page.getByRole("button", { name: "Download CSV" }).click()
  expect(await readFile(await (await downloading).path(), "utf8")).toContain(",Question asked,-1,,")
})

test("where payments are not set up, nothing is offered and the chat goes on", async ({ page, cable }) => {
  test.slow()
  const api = await startApiWithout("STRIPE_")
  try {
    cable.divert(requireStack().apiUrl, api.url)
    await signUp(page)
    await page.goto("/purchase-tokens")
    await expect(page.getByText("Tokens are not sold here")).toBeVisible()
    await expect(page.getByText("Whoever runs it can add tokens to your account.")).toBeVisible()
    await expect(page.getByRole("button", { name: /^Buy / })).toHaveCount(0)
    await page.goto("/token-history")
    await expect(page.getByRole("main").getByRole("listitem")).toHaveText([/Welcome bonus/])
  } finally {
    await api.stop()
  }
})
