import { answers, ask, askAndWait, balance, composer, expect, expectEnding, ledgerOf, liveAnswer, questions, settledAnswers, sidebar, signUp, test } from "./support/app"

test("sign up, ask, watch the answer grow, and pay one token", async ({ page }) => {
  const account = await signUp(page)
  await expect(balance(page)).toHaveText("10")
  // Long enough that a slow machine still sees it grow: 80 words in twelve seconds.
  await ask(page, "[[slow:chunks=80,ms=150]] Tell me about returns")

  await expect(liveAnswer(page)).toContainText("word3")
  const early = await liveAnswer(page).innerText()
  expect(early).not.toContain("word80")
  await expect(balance(page)).toHaveText("9")
  await expect(page).toHaveURL(/\/c\/[0-9a-f-]{36}$/)
  await expect.poll(async () => (await liveAnswer(page).innerText()).length).toBeGreaterThan(early.length)
  await expectEnding(settledAnswers(page), "word80")
  await expect(balance(page)).toHaveText("9")
  expect(await ledgerOf(account.email)).toEqual(["signup_bonus 10", "consumption -1"])
  // The title is made in the background.
  await expect(sidebar(page).getByRole("link", { name: /returns/i })).toBeVisible()
})

test("a conversation has an address of its own that can be opened again", async ({ page, context }) => {
  await signUp(page)
  await askAndWait(page, "[[echo]] first answer")
  await askAndWait(page, "[[echo]] second answer")
  const second = await context.newPage()
  await second.goto(page.url())
  await expect(answers(second)).toHaveText([/first answer/, /second answer/])
  await expect(questions(second)).toHaveCount(2)
})

test("an address without a conversation says so and offers a new one", async ({ page }) => {
  await signUp(page)
  await page.goto("/c/00000000-0000-4000-8000-000000000000")
  await expect(page.getByText("There is no such conversation")).toBeVisible()
  await page.getByRole("main").getByRole("link", { name: "Start a new one" }).click()
  await expect(page.getByRole("heading", { name: /what would you like to know/i })).toBeVisible()
})

test("a reload in mid-answer joins the answer again, without doubling or losing a word", async ({ page }) => {
  const account = await signUp(page)
  // Twenty seconds: it is still being written when a slow machine has loaded the page again.
  await ask(page, "[[slow:chunks=100,ms=200]] go")
  await expect(liveAnswer(page)).toContainText("word5")
  await page.reload()
  await expect(liveAnswer(page)).toContainText("word8")
  await expectEnding(settledAnswers(page), "word100")
  const text = await settledAnswers(page).innerText()
  expect(text.match(/word\d+/g)).toEqual(Array.from({ length: 100 }, (_, index) => `word${index + 1}`))
  await expect(questions(page)).toHaveCount(1)
  expect(await ledgerOf(account.email)).toEqual(["signup_bonus 10", "consumption -1"])
})

test("stop keeps what was written so far", async ({ page }) => {
  const account = await signUp(page)
  await ask(page, "[[slow:chunks=2000,ms=100]] go")
  await expect(liveAnswer(page)).toContainText("word5")
  await page.getByRole("button", { name: "Stop", exact: true }).click()
  await expect(settledAnswers(page)).toContainText("You stopped this answer.")
  await expect(settledAnswers(page)).toContainText("word5")
  await expect(balance(page)).toHaveText("9")
  await expect(composer(page)).toBeEnabled()
  await page.reload()
  await expect(settledAnswers(page)).toContainText("You stopped this answer.")
  expect(await ledgerOf(account.email)).toEqual(["signup_bonus 10", "consumption -1"])
})

test("an answer can be asked for again, and both versions stay", async ({ page }) => {
  await signUp(page)
  await askAndWait(page, "[[echo]] the one answer")
  await page.getByRole("button", { name: "Answer again" }).click()
  await expect(page.getByText("2/2")).toBeVisible()
  await page.getByRole("button", { name: "Previous version of this answer" }).click()
  await expect(page.getByText("1/2")).toBeVisible()
  await expect(page).toHaveURL(/branch=\d+/)
  await expect(balance(page)).toHaveText("8")
})

test("an edited question starts a branch; what follows an older branch stays on it", async ({ page }) => {
  await signUp(page)
  await askAndWait(page, "[[echo]] apples")
  await questions(page).first().hover()
  await page.getByRole("button", { name: "Edit message" }).click()
  const editor = page.getByRole("textbox", { name: "Edit your message" })
  await editor.fill("[[echo]] pears")
  await editor.press("Enter")
  await expect(settledAnswers(page)).toHaveText(/pears/)
  await expect(page.getByText("2/2")).toBeVisible()

  await page.getByRole("button", { name: "Previous version of this question" }).click()
  await expect(settledAnswers(page)).toHaveText(/apples/)
  await askAndWait(page, "[[echo]] more apples")
  await expect(answers(page)).toHaveText([/apples/, /more apples/])
  await page.reload()
  await expect(answers(page)).toHaveText([/apples/, /more apples/])
})

test("an answer and a code block can be copied", async ({ page, context }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"])
  await signUp(page)
  await askAndWait(page, "[[markdown]]")
  const copied = () => page.evaluate(() => navigator.clipboard.readText())
  await page.getByRole("button", { name: "Copy code" }).first().click()
  await expect.poll(copied).toContain("const answer")
  await page.getByRole("button", { name: "Copy answer" }).click()
  await expect.poll(copied).toContain("```")
})

test("the search for documents is shown while it runs", async ({ page }) => {
  await signUp(page)
  await askAndWait(page, "What do the documents say about returns?")
  await expect(settledAnswers(page)).toContainText("Searched documents")
})

test("starting an answer and leaving for another conversation loses neither", async ({ page }) => {
  await signUp(page)
  await ask(page, "[[slow:chunks=80,ms=150]] long one")
  await expect(liveAnswer(page)).toContainText("word3")
  await sidebar(page).getByRole("link", { name: "New chat" }).click()
  await expect(page.getByRole("heading", { name: /what would you like to know/i })).toBeVisible()
  await askAndWait(page, "[[echo]] short one")
  await expect(settledAnswers(page)).toHaveText(/short one/)
  await page.goBack()
  await page.goBack()
  await expectEnding(settledAnswers(page), "word80")
})
