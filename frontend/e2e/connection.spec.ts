import type { Page } from "@playwright/test"
import { ask, askAndWait, balance, composer, expect, expectEnding, lastTurnOf, ledgerOf, liveAnswer, questions, settledAnswers, signUp } from "./support/app"
import { test } from "./support/wire"

const countedTo = (last: number) => Array.from({ length: last }, (_, index) => `word${index + 1}`)
const wordsOf = async (page: Page) => (await settledAnswers(page).innerText()).match(/word\d+/g)
const reconnecting = (page: Page) => page.getByText("Connection lost. Reconnecting…")

test("a line that breaks in mid-answer is joined again where it broke", async ({ page, cable }) => {
  const account = await signUp(page)
  await ask(page, "[[slow:chunks=80,ms=200]] go")
  await expect(liveAnswer(page)).toContainText("word5")
  cable.cut()
  await expect(reconnecting(page)).toBeVisible()
  await expect(page.getByTestId("balance")).toHaveAttribute("data-live", "false")
  await expect(liveAnswer(page)).toContainText("word5")
  cable.mend()
  await expect(reconnecting(page)).toHaveCount(0)
  await expect(page.getByTestId("balance")).toHaveAttribute("data-live", "true")
  await expectEnding(settledAnswers(page), "word80")
  expect(await wordsOf(page)).toEqual(countedTo(80))
  expect(await ledgerOf(account.email)).toEqual(["signup_bonus 10", "consumption -1"])
})

test("an answer that ended while the line was down is there afterwards", async ({ page, cable }) => {
  await page.clock.install()
  const account = await signUp(page)
  await ask(page, "[[slow:chunks=80,ms=150]] go")
  await expect(liveAnswer(page)).toContainText("word3")
  cable.cut()
  await expect(reconnecting(page)).toBeVisible()
  // The page would give up after a dozen seconds: its time stands still until the answer has ended.
  await page.clock.pauseAt(Date.now() + 60_000)
  await expect.poll(() => lastTurnOf(account.email)).toBe("done")
  cable.mend()
  await page.clock.resume()
  await expect(settledAnswers(page)).toContainText("word80")
  expect(await wordsOf(page)).toEqual(countedTo(80))
})

test("a question asked without a line is sent, once, when the line is back", async ({ page, cable }) => {
  const account = await signUp(page)
  await expect(balance(page)).toHaveText("10")
  cable.cut()
  await ask(page, "[[echo]] from the tunnel")
  await expect(reconnecting(page)).toBeVisible()
  cable.mend()
  await expect(settledAnswers(page)).toHaveText(/from the tunnel/)
  await expect(questions(page)).toHaveCount(1)
  expect(await ledgerOf(account.email)).toEqual(["signup_bonus 10", "consumption -1"])
})

test("when the line stays away the question goes back to the composer and can be sent later", async ({ page, cable }) => {
  const account = await signUp(page)
  cable.cut()
  await ask(page, "[[echo]] from the tunnel")
  await expect(page.getByText("The server cannot be reached")).toBeVisible({ timeout: 40_000 })
  await expect(composer(page)).toHaveValue("[[echo]] from the tunnel")
  await expect(page).toHaveURL(/\/$/)
  cable.mend()
  await page.getByRole("main").getByRole("button", { name: "Try again" }).click()
  await expect(settledAnswers(page)).toHaveText(/from the tunnel/)
  await expect(composer(page)).toHaveValue("")
  expect(await ledgerOf(account.email)).toEqual(["signup_bonus 10", "consumption -1"])
})

for (const [place, earlier] of [
  ["a new conversation", 0],
  ["a conversation that is there", 1],
] as const) {
  test(`in ${place}, a stop that arrives before its question stops it all the same`, async ({ page, cable }) => {
    const account = await signUp(page)
    if (earlier > 0) await askAndWait(page, "[[echo]] start")
    const letPass = cable.hold((method, path) => method === "POST" && path === "/api/pydantic-agent")
    await ask(page, "[[hang]] go")
    const tooEarly = page.waitForResponse((response) => response.url().endsWith("/stop"))
    await page.getByRole("button", { name: "Stop", exact: true }).click()
    expect((await tooEarly).status()).toBe(earlier > 0 ? 202 : 404)
    await expect(page.getByRole("button", { name: "Stopping" })).toBeDisabled()
    await expect(questions(page)).toHaveCount(earlier + 1)
    letPass()

    await expect(page.getByText("No answer came. Your token was returned.")).toBeVisible()
    expect(await lastTurnOf(account.email)).toBe("released")
    expect((await ledgerOf(account.email)).slice(-2)).toEqual(["consumption -1", "release 1"])
    await expect(page.getByRole("button", { name: "Send", exact: true })).toBeVisible()
    await expect(questions(page)).toHaveCount(earlier + 1)
    await expect(composer(page)).toHaveValue("")
  })
}
