import { ask, askAndWait, balance, expect, liveAnswer, sidebar, signUp, test } from "./support/app"

test("a second tab sees the balance and the conversations change", async ({ page, context }) => {
  await signUp(page)
  const second = await context.newPage()
  await second.goto("/")
  await expect(balance(second)).toHaveText("10")
  // It outlasts the test: both tabs see it while it is written.
  await ask(page, "[[slow:chunks=900,ms=100]] hello")
  await expect(liveAnswer(page)).toBeVisible()
  await expect(balance(second)).toHaveText("9")
  await expect(sidebar(second).getByRole("listitem")).toHaveCount(1)
  await expect(sidebar(second).getByText("Being answered")).toBeAttached()
})

test("a failed answer's token comes back in every tab", async ({ page, context }) => {
  await signUp(page)
  const second = await context.newPage()
  await second.goto("/token-history")
  await expect(second.getByRole("listitem").filter({ hasText: "Welcome bonus" })).toBeVisible()
  await ask(page, "[[fail]] hello")
  await expect(balance(page)).toHaveText("10")
  await expect(second.getByRole("listitem").filter({ hasText: "Returned, no answer came" })).toBeVisible()
  await expect(balance(second)).toHaveText("10")
})

test("the history tells what each token was for and leads to the conversation", async ({ page }) => {
  await signUp(page)
  await askAndWait(page, "[[echo]] hello")
  const address = page.url()
  await page.getByTestId("balance").click()
  await expect(page).toHaveURL(/\/token-history$/)
  const entries = page.getByRole("main").getByRole("listitem")
  await expect(entries).toHaveText([/Question asked.*−1.*9 left/s, /Welcome bonus.*\+10.*10 left/s])
  await page.getByRole("link", { name: "Open the conversation" }).click()
  await expect(page).toHaveURL(address)
})
