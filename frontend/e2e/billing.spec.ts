import type { Page } from "@playwright/test"
import { readFile } from "node:fs/promises"
import { ask, askAndWait, balance, composer, expect, expireTokens, ledgerOf, questions, signUp, test } from "./support/app"
import { CARDS, chargesOf, choosePack, control, mendStripe, payWith, purchaseIdOf } from "./support/payment"

// Pauses and faults of the payment service are everybody's: one after the other.
test.describe.configure({ mode: "default" })

const outcome = (page: Page) => page.getByRole("main").getByRole("heading", { level: 1 })
const entries = (page: Page) => page.getByRole("main").getByRole("listitem")
const buyButton = (page: Page, pack: string) => page.getByRole("listitem", { name: pack }).getByRole("button")

async function goBuying(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Account menu" }).click()
  await page.getByRole("menuitem", { name: "Buy tokens" }).click()
  await expect(page).toHaveURL(/\/purchase-tokens$/)
}

test("buying: the price is the server's, the tokens arrive live, and the history tells of it", async ({ page, context }) => {
  const account = await signUp(page)
  const second = await context.newPage()
  await second.goto("/token-history")
  await expect(entries(second)).toHaveText([/Welcome bonus/])

  await goBuying(page)
  await expect(page.getByRole("listitem", { name: "100 tokens" })).toContainText("$0.05 a token")
  const best = page.getByRole("listitem").filter({ hasText: "Best value" })
  await expect(best).toHaveText(/600\s*tokens.*\$20\.00.*save 33%.*\$0\.033 a token/s)
  await choosePack(page, "250 tokens")
  await expect(page.getByText("$10.00").first()).toBeVisible()
  await payWith(page, CARDS.good)

  await expect(outcome(page)).toHaveText("250 tokens are yours")
  await expect(page.getByTestId("new-balance")).toHaveText("260")
  await expect(balance(page)).toHaveText("260")
  await expect(balance(second)).toHaveText("260")
  await expect(entries(second)).toHaveText([/Tokens bought.*\$10\.00 paid.*Receipt.*\+250.*260 left/s, /Welcome bonus/])
  expect(await ledgerOf(account.email)).toEqual(["signup_bonus 10", "purchase 250"])

  await page.getByRole("link", { name: "Receipt" }).click()
  const receipt = page.getByRole("article", { name: "Receipt" })
  await expect(receipt).toContainText(account.email)
  await expect(receipt).toHaveText(/250 tokens\s*\$10\.00\s*Total\s*\$10\.00/)
})

test("a declined card is told on the payment page, and a good one then pays once", async ({ page }) => {
  const account = await signUp(page)
  await goBuying(page)
  await choosePack(page, "100 tokens")
  await payWith(page, CARDS.declined)
  await expect(page.getByRole("alert")).toContainText("declined")
  await payWith(page, CARDS.good)
  await expect(outcome(page)).toHaveText("100 tokens are yours")
  await expect(balance(page)).toHaveText("110")
  expect(await ledgerOf(account.email)).toEqual(["signup_bonus 10", "purchase 100"])
  expect((await chargesOf(purchaseIdOf(page))).map((charge) => charge.status).toSorted()).toEqual(["failed", "succeeded"])
})

test("after a declined card, going back says why and that nothing was charged; trying again goes on with the same purchase", async ({ page }) => {
  await signUp(page)
  await goBuying(page)
  await choosePack(page, "100 tokens")
  const paymentPage = page.url()
  await payWith(page, CARDS.declined)
  await expect(page.getByRole("alert")).toContainText("declined")
  await page.getByRole("link", { name: /Cancel and go back/ }).click()
  await expect(outcome(page)).toHaveText("Nothing was charged")
  await expect(page.getByText("Your bank declined the card.")).toBeVisible()
  const purchaseId = purchaseIdOf(page)
  await page.getByRole("button", { name: "Try again" }).click()
  await expect(page).toHaveURL(paymentPage)
  await payWith(page, CARDS.good)
  await expect(outcome(page)).toHaveText("100 tokens are yours")
  expect(purchaseIdOf(page)).toBe(purchaseId)
})

test("a card that asks for authentication: failing it charges nothing, completing it buys", async ({ page }) => {
  await signUp(page)
  await goBuying(page)
  await choosePack(page, "600 tokens")
  await payWith(page, CARDS.authentication)
  await page.getByRole("button", { name: "Fail authentication" }).click()
  await expect(page.getByRole("alert")).toBeVisible()
  await payWith(page, CARDS.authentication)
  await page.getByRole("button", { name: "Complete authentication" }).click()
  await expect(outcome(page)).toHaveText("600 tokens are yours")
  await expect(balance(page)).toHaveText("610")
})

test("cancelling: nothing was charged, and another pack can be chosen", async ({ page }) => {
  const account = await signUp(page)
  await goBuying(page)
  await choosePack(page, "100 tokens")
  await page.getByRole("link", { name: /Cancel and go back/ }).click()
  await expect(outcome(page)).toHaveText("Nothing was charged")
  await expect(page.getByText("You left before paying $5.00 for 100 tokens.")).toBeVisible()
  await page.getByRole("link", { name: "Choose another pack" }).click()
  await choosePack(page, "250 tokens")
  await payWith(page, CARDS.good)
  await expect(outcome(page)).toHaveText("250 tokens are yours")
  expect(await ledgerOf(account.email)).toEqual(["signup_bonus 10", "purchase 250"])
})

test("a purchase whose time ran out is begun anew", async ({ page }) => {
  await signUp(page)
  await goBuying(page)
  await choosePack(page, "100 tokens")
  const sessionId = /\/c\/pay\/([^?]+)/.exec(page.url())?.[1] ?? ""
  await page.getByRole("link", { name: /Cancel and go back/ }).click()
  await expect(outcome(page)).toHaveText("Nothing was charged")
  const first = purchaseIdOf(page)
  await control(`/sandbox/checkout_sessions/${sessionId}/elapse`, {})
  await expect(page.getByText("was not finished in time")).toBeVisible()
  await page.getByRole("button", { name: "Try again" }).click()
  await expect(page).toHaveURL(/\/c\/pay\//)
  expect(page.url()).not.toContain(sessionId)
  await payWith(page, CARDS.good)
  await expect(outcome(page)).toHaveText("100 tokens are yours")
  expect(purchaseIdOf(page)).not.toBe(first)
})

test("clicking twice, coming back and clicking again: one purchase, one charge", async ({ page }) => {
  const account = await signUp(page)
  await goBuying(page)
  const asked: string[] = []
  page.on("request", (request) => {
    if (request.url().endsWith("/api/checkout") && request.method() === "POST") asked.push(request.postData() ?? "")
  })
  await buyButton(page, "100 tokens").dblclick()
  await expect(page).toHaveURL(/\/c\/pay\//)
  const paymentPage = page.url()
  await page.goBack()
  await choosePack(page, "100 tokens")
  await expect(page).toHaveURL(paymentPage)
  expect(asked.length).toBeGreaterThanOrEqual(2)
  expect(new Set(asked).size).toBe(1)
  await payWith(page, CARDS.good)
  await expect(outcome(page)).toHaveText("100 tokens are yours")
  expect(await chargesOf(purchaseIdOf(page))).toHaveLength(1)

  // The pack again: that is a new wish, and costs again.
  await goBuying(page)
  await choosePack(page, "100 tokens")
  expect(page.url()).not.toBe(paymentPage)
  expect(await ledgerOf(account.email)).toEqual(["signup_bonus 10", "purchase 100"])
})

test("two tabs of one purchase: who already paid is not asked to pay again", async ({ page }) => {
  await signUp(page)
  await goBuying(page)
  await choosePack(page, "100 tokens")
  const paymentPage = page.url()
  await page.goBack()
  await expect(buyButton(page, "100 tokens")).toBeEnabled()
  const other = await page.context().newPage()
  await other.goto(paymentPage)
  await payWith(other, CARDS.good)
  await expect(outcome(other)).toHaveText("100 tokens are yours")
  await buyButton(page, "100 tokens").click()
  await expect(page).toHaveURL(/\/payment-success/)
  await expect(outcome(page)).toHaveText("100 tokens are yours")
})

test.describe("while the webhook is late", () => {
  test.beforeEach(() => control("/sandbox/deliveries/settings", { paused: true }))
  test.afterEach(() => control("/sandbox/deliveries/settings", { paused: false }))

  test("the page waits, promises nothing, grows calm, and shows the tokens once they are there", async ({ page }) => {
    await page.clock.install()
    const account = await signUp(page)
    await goBuying(page)
    await choosePack(page, "100 tokens")
    await payWith(page, CARDS.good)
    await expect(outcome(page)).toHaveText("Confirming your payment")
    await page.clock.runFor(21_000)
    await expect(outcome(page)).toHaveText("Your payment is still being confirmed")
    await expect(page.getByText("You need not pay again")).toBeVisible()
    await expect(page.getByRole("main").getByRole("link", { name: "Token history" })).toBeVisible()
    await expect(balance(page)).toHaveText("10")
    expect(await ledgerOf(account.email)).toEqual(["signup_bonus 10"])
    await control("/sandbox/deliveries/settings", { paused: false })
    await expect(outcome(page)).toHaveText("100 tokens are yours")
    await expect(page.getByTestId("new-balance")).toHaveText("110")
  })
})

test.describe("while Stripe is away", () => {
  test.afterEach(mendStripe)

  test("the page says so, keeps the purchase, and trying again works", async ({ page }) => {
    await signUp(page)
    await goBuying(page)
    await control("/sandbox/faults", { kind: "server_error", times: 50, method: "POST", path: "/v1/checkout/sessions" })
    const asked: string[] = []
    page.on("request", (request) => {
      if (request.url().endsWith("/api/checkout") && request.method() === "POST") asked.push(request.postData() ?? "")
    })
    await buyButton(page, "100 tokens").click()
    await expect(buyButton(page, "250 tokens")).toBeDisabled()
    await expect(page.getByRole("alert")).toContainText("The payment service does not answer")
    await expect(page.getByRole("alert")).toContainText("Nothing was charged.")
    await mendStripe()
    await page.getByRole("button", { name: "Try again" }).click()
    await expect(page).toHaveURL(/\/c\/pay\//)
    expect(new Set(asked).size).toBe(1)
  })
})

test("offline, the click is not lost and nothing is charged", async ({ page, context }) => {
  await signUp(page)
  await goBuying(page)
  await expect(buyButton(page, "100 tokens")).toBeEnabled()
  await context.setOffline(true)
  await buyButton(page, "100 tokens").click()
  await expect(page.getByText("The server cannot be reached")).toBeVisible()
  await context.setOffline(false)
  await page.getByRole("button", { name: "Try again" }).click()
  await expect(page).toHaveURL(/\/c\/pay\//)
})

test("another person's purchase, an unknown one and a broken address all say the same", async ({ page, browser }) => {
  await signUp(page)
  await goBuying(page)
  await choosePack(page, "100 tokens")
  await payWith(page, CARDS.good)
  await expect(outcome(page)).toHaveText("100 tokens are yours")
  const theirs = purchaseIdOf(page)
  const stranger = await (await browser.newContext({ baseURL: new URL(page.url()).origin })).newPage()
  await signUp(stranger)
  for (const path of ["payment-success", "payment-failure"]) {
    for (const id of [theirs, crypto.randomUUID(), "x", ""]) {
      await stranger.goto(`/${path}?purchase_id=${id}`)
      await expect(outcome(stranger)).toHaveText("This account has no such purchase")
    }
  }
  await stranger.goto(`/receipt/${theirs}`)
  await expect(outcome(stranger)).toHaveText("This account has no such purchase")
  await stranger.context().close()
})

test("out of tokens in the middle of a question: buy, come back, and send it", async ({ page }) => {
  const account = await signUp(page)
  await askAndWait(page, "[[echo]] first")
  const conversation = page.url()
  await expireTokens(account.email)
  await ask(page, "[[echo]] the question that waits")
  await expect(page.getByText("You have no tokens left")).toBeVisible()
  await page.getByRole("main").getByRole("link", { name: "Buy tokens" }).click()
  await choosePack(page, "100 tokens")
  await payWith(page, CARDS.good)
  await expect(outcome(page)).toHaveText("100 tokens are yours")
  await expect(page.getByText("the question that waits")).toBeVisible()
  await page.getByRole("link", { name: "Back to your question" }).click()
  await expect(page).toHaveURL(conversation)
  await expect(composer(page)).toHaveValue("[[echo]] the question that waits")
  await composer(page).press("Enter")
  await expect(questions(page)).toHaveCount(2)
  await expect(balance(page)).toHaveText("99")
})

test("a low balance leads to buying; a good one does not", async ({ page }) => {
  const account = await signUp(page)
  const hint = page.getByRole("banner").getByRole("link", { name: "Buy tokens" })
  await expect(balance(page)).toHaveText("10")
  await expect(hint).toHaveCount(0)
  await expireTokens(account.email)
  await page.reload()
  await expect(balance(page)).toHaveText("0")
  await hint.click()
  await expect(page).toHaveURL(/\/purchase-tokens/)
})

test("refunds and disputes are told in words, and the receipt follows", async ({ page }) => {
  await signUp(page)
  await goBuying(page)
  await choosePack(page, "100 tokens")
  await payWith(page, CARDS.good)
  await expect(outcome(page)).toHaveText("100 tokens are yours")
  const [charge] = await chargesOf(purchaseIdOf(page))
  await page.goto("/token-history")
  await expect(entries(page)).toHaveCount(2)
  await control(`/sandbox/charges/${charge?.id}/refund`, { amount: 250 })
  await expect(entries(page)).toHaveText([/Taken back after a refund.*−50.*60 left/s, /Tokens bought/, /Welcome bonus/])
  const dispute = await control<{ id: string }>(`/sandbox/charges/${charge?.id}/dispute`, {})
  await expect(entries(page).first()).toHaveText(/Held back for a payment dispute.*−50.*10 left/s)
  await control(`/sandbox/disputes/${dispute.id}/win`, {})
  await expect(entries(page).first()).toHaveText(/Given back after a payment dispute.*\+50.*60 left/s)
  await page.getByRole("link", { name: "Receipt" }).click()
  await expect(page.getByRole("article", { name: "Receipt" })).toHaveText(/\$5\.00\s*Refunded\s*−\$2\.50\s*Total\s*\$2\.50.*Disputed; the payment stands/s)
})

test("the history is narrowed by kind and day, survives a reload, and becomes a file", async ({ page }) => {
  await signUp(page)
  await goBuying(page)
  await choosePack(page, "100 tokens")
  await payWith(page, CARDS.good)
  await expect(outcome(page)).toHaveText("100 tokens are yours")
  await page.getByRole("main").getByRole("link", { name: "Ask a question" }).click()
  await askAndWait(page, "[[echo]] hello")
  await page.getByTestId("balance").click()
  await expect(entries(page)).toHaveCount(3)
  await page.getByText("By month", { exact: true }).click()
  await expect(page.getByRole("table", { name: /by month/ }).getByRole("row").nth(1)).toHaveText(/\d{4}\s*100\s*10\s*1\s*0/)

  await page.getByLabel("Show", { exact: true }).selectOption("Tokens bought")
  await expect(entries(page)).toHaveText([/Tokens bought/])
  await page.reload()
  await expect(entries(page)).toHaveText([/Tokens bought/])
  await page.getByLabel("To", { exact: true }).fill("2020-01-01")
  await expect(page.getByText("There is nothing of this kind in that time.")).toBeVisible()
  await page.getByLabel("From", { exact: true }).fill("2020-01-02")
  await expect(page.getByText("The first day is after the last one.")).toBeVisible()
  await expect(page.getByRole("button", { name: "Download CSV" })).toBeDisabled()
  await page.getByRole("button", { name: "Show everything" }).click()
  await expect(entries(page)).toHaveCount(3)

  const downloading = page.waitForEvent("download")
  await page.getByRole("button", { name: "Download CSV" }).click()
  const download = await downloading
  expect(download.suggestedFilename()).toMatch(/^token-history-[\d-]+\.csv$/)
  const lines = (await readFile(await download.path(), "utf8")).trim().split("\r\n")
  expect(lines.map((line) => line.split(",").slice(1, 6).join(","))).toEqual([
    "What,Tokens,Balance after,Price,Currency",
    "Question asked,-1,109,,",
    "Tokens bought,100,110,5,USD",
    "Welcome bonus,10,10,,",
  ])
})
