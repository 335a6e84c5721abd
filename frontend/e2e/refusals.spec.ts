import type { Page } from "@playwright/test"
import { answers, ask, askAndWait, balance, composer, expect, expectEnding, expireTokens, ledgerOf, liveAnswer, moveTurnsBack, questions, settledAnswers, signUp, test } from "./support/app"

/** `RATE_LIMIT_WINDOW_SECONDS` of the API. */
const RATE_WINDOW_SECONDS = 60

test("without tokens the question is not sent, and stays", async ({ page }) => {
  const account = await signUp(page)
  await expect(balance(page)).toHaveText("10")
  await expireTokens(account.email)
  await ask(page, "one more question")
  await expect(page.getByText("You have no tokens left")).toBeVisible()
  await expect(composer(page)).toHaveValue("one more question")
  await expect(questions(page)).toHaveCount(0)
  await expect(page).toHaveURL(/\/$/)
  await expect(balance(page)).toHaveText("0")
  await page.getByRole("link", { name: "See where they went" }).click()
  await expect(page.getByRole("main").getByRole("listitem").filter({ hasText: "Expired" })).toBeVisible()
  await page.goBack()
  await expect(composer(page)).toHaveValue("one more question")
})

test("too many questions at once: the notice counts down, and nothing is lost or charged", async ({ page }) => {
  const account = await signUp(page)
  for (const word of ["one", "two", "three", "four", "five"]) await askAndWait(page, `[[echo]] ${word}`)
  // However long they took.
  await moveTurnsBack(account.email, 0)
  await ask(page, "[[echo]] six")
  await expect(page.getByText("That was a lot at once")).toBeVisible()
  await expect(page.getByRole("button", { name: /Send again in \d+ s/ })).toBeDisabled()
  await expect(composer(page)).toHaveValue("[[echo]] six")
  await expect(page.getByRole("button", { name: "Send", exact: true })).toBeDisabled()
  await expect(questions(page)).toHaveCount(5)
  await expect(balance(page)).toHaveText("5")
})

test("after the wait the same question goes through", async ({ page }) => {
  const account = await signUp(page)
  for (const word of ["one", "two", "three", "four", "five"]) await askAndWait(page, `[[echo]] ${word}`)
  await moveTurnsBack(account.email, RATE_WINDOW_SECONDS - 20)
  await ask(page, "[[echo]] six")
  const waiting = page.getByRole("button", { name: /Send again in \d+ s/ })
  const secondsLeft = async () => Number(/\d+/.exec(await waiting.innerText())?.[0])
  await expect(waiting).toBeDisabled()
  const first = await secondsLeft()
  expect(first).toBeLessThanOrEqual(20)
  await expect.poll(secondsLeft).toBeLessThanOrEqual(first - 2)
  const again = page.getByRole("button", { name: "Send again", exact: true })
  await expect(again).toBeEnabled()
  await again.click()
  await expect(settledAnswers(page)).toHaveCount(6)
  await expect(composer(page)).toHaveValue("")
})

test("a model that fails at once: no answer, the token is back, asking again works", async ({ page }) => {
  const account = await signUp(page)
  await ask(page, "[[fail]] hello")
  await expect(page.getByRole("alert")).toContainText("Your token was returned.")
  await expect(balance(page)).toHaveText("10")
  await expect(questions(page)).toHaveCount(1)
  expect(await ledgerOf(account.email)).toEqual(["signup_bonus 10", "consumption -1", "release 1"])
  await page.getByRole("button", { name: "Ask again" }).click()
  await expect(page.getByRole("alert")).toContainText("Your token was returned.")
  expect(await ledgerOf(account.email)).toHaveLength(5)
  await expect(questions(page)).toHaveCount(1)
  await page.reload()
  await expect(page.getByText("No answer came. Your token was returned.")).toBeVisible()
})

test("a model that breaks off midway: what was written is kept and paid", async ({ page }) => {
  const account = await signUp(page)
  await ask(page, "[[fail-midway]] hello")
  await expect(page.getByRole("alert")).toContainText("The answer broke off")
  await expect(settledAnswers(page)).toContainText("This answer broke off before its end.")
  await expect(balance(page)).toHaveText("9")
  await page.reload()
  await expect(settledAnswers(page)).toContainText("This answer broke off before its end.")
  expect(await ledgerOf(account.email)).toEqual(["signup_bonus 10", "consumption -1"])
})

test("stopping before the first word gives the token back", async ({ page }) => {
  await signUp(page)
  await ask(page, "[[hang]] hello")
  await expect(balance(page)).toHaveText("9")
  await page.getByRole("button", { name: "Stop", exact: true }).click()
  await expect(balance(page)).toHaveText("10")
  await expect(page.getByRole("button", { name: "Send", exact: true })).toBeVisible()
})

test("two questions at once in one conversation: one waits, and its tab shows the other's answer", async ({ page, context }) => {
  const account = await signUp(page)
  await askAndWait(page, "[[echo]] start")
  const second = await context.newPage()
  await second.goto(page.url())
  await expect(settledAnswers(second)).toHaveCount(1)
  // Twenty seconds: a slow machine joins it, too, before it ends.
  const question = "[[slow:chunks=100,ms=200]] long one"
  for (const tab of [page, second]) await composer(tab).fill(question)
  const notice = (tab: Page) => tab.getByText("Another answer is being written")
  // Watched from before the questions go: on a slow machine one tab is done with it before the other shows anything.
  const refusal = Promise.any([page, second].map((tab) => notice(tab).waitFor().then(() => tab)))
  await Promise.all([page, second].map((tab) => composer(tab).press("Enter")))
  const refused = await refusal
  await expect(composer(refused)).toHaveValue(question)
  // The tab joins the other's answer by itself as soon as it hears of it; until then there is a button.
  await expect(liveAnswer(refused)).toContainText("word10")
  await expectEnding(answers(refused).last(), "word100")
  await expect(questions(refused)).toHaveCount(2)
  await expect(notice(refused)).toHaveCount(0)
  await expect(composer(refused)).toHaveValue(question)
  expect(await ledgerOf(account.email)).toEqual(["signup_bonus 10", "consumption -1", "consumption -1"])
})

test("an answer that begins in another tab shows up here", async ({ page, context }) => {
  await signUp(page)
  await askAndWait(page, "[[echo]] start")
  const second = await context.newPage()
  await second.goto(page.url())
  await expect(settledAnswers(second)).toHaveCount(1)
  await ask(page, "[[slow:chunks=80,ms=150]] long one")
  await expect(liveAnswer(second)).toContainText("word10")
  await expect(questions(second)).toHaveCount(2)
  await expectEnding(settledAnswers(second).last(), "word80")
})

test("a question that is too long is refused in words and kept", async ({ page }) => {
  await signUp(page)
  const text = "x".repeat(200_001)
  await composer(page).fill(text)
  await page.getByRole("button", { name: "Send", exact: true }).click()
  await expect(page.getByText("Your question is too long")).toBeVisible()
  await expect(composer(page)).toHaveValue(text)
  await expect(balance(page)).toHaveText("10")
})
