import type { Page } from "@playwright/test"
import { askAndWait, expect, settledAnswers, signUp, test } from "./support/app"
import { documentRow, goToDocuments, renumberPassages, replacePassages, storeDocument, upload } from "./support/documents"

// Words that stand in no other document, so that what is found is what the test stored.
const PASSAGES = [
  "The zorbulator is switched on with the green lever. It hums while it warms up.",
  "The zorbulator must cool for eleven minutes before its filter is changed.",
  "Afterwards the zorbulator's logbook is signed by two people.",
]
const QUESTION = "How many minutes must the zorbulator cool before its filter is changed?"

const marks = (page: Page) => settledAnswers(page).last().locator(".mark").getByRole("button")
const panel = (page: Page) => page.getByRole("dialog", { name: /^(Source \d+|Passage)$/ })
const passage = (page: Page) => panel(page).getByLabel("The passage", { exact: true })

test("a mark opens its passage in context, by keyboard too, and gives the focus back", async ({ page }) => {
  const account = await signUp(page)
  const id = await storeDocument(account.email, "Zorbulator manual", PASSAGES, { url: "https://example.com/manual" })
  await page.goto("/")
  await askAndWait(page, QUESTION)
  await expect(settledAnswers(page)).toContainText("eleven minutes")
  const sources = settledAnswers(page).getByRole("list", { name: "Sources" })
  await expect(sources.getByRole("listitem").filter({ hasText: "Zorbulator manual" }).first()).toBeVisible()

  const cited = marks(page).and(page.getByRole("button", { name: /^Source \d+: Zorbulator manual, page 2$/ })).first()
  await cited.press("Enter")
  await expect(panel(page)).toBeFocused()
  await expect(panel(page)).toContainText("Page 2 · Part 2")
  await expect(passage(page)).toContainText("eleven minutes")
  await expect(panel(page).getByLabel("Before the passage")).toContainText("green lever")
  await expect(panel(page).getByLabel("After the passage")).toContainText("logbook")
  await expect(panel(page).getByRole("link", { name: "Open the original" })).toHaveAttribute("href", "https://example.com/manual")
  await page.keyboard.press("Escape")
  await expect(panel(page)).toHaveCount(0)
  await expect(cited).toBeFocused()

  await page.reload()
  await marks(page).first().click()
  await expect(passage(page)).toBeVisible()
  await panel(page).getByRole("link", { name: "Read the document" }).click()
  await expect(page).toHaveURL(new RegExp(`/documents/${id}$`))
  await expect(page.getByRole("article", { name: "Zorbulator manual" })).toContainText("logbook")
})

test("a passage below much text is scrolled to without moving the page", async ({ page }) => {
  const account = await signUp(page)
  const lines = Array.from({ length: 40 }, (_, line) => `The zorbulator's part ${line} is blue.`).join("\n\n")
  await storeDocument(account.email, "Zorbulator manual", [lines, ...PASSAGES.slice(1)])
  await page.goto("/")
  await askAndWait(page, QUESTION)
  await askAndWait(page, QUESTION)
  await marks(page).and(page.getByRole("button", { name: /^Source \d+: Zorbulator manual, page 2$/ })).first().press("Enter")
  await expect(passage(page)).toBeInViewport()
  await expect(panel(page).getByRole("button", { name: "Close" })).toBeInViewport({ ratio: 1 })
  expect(await page.evaluate(() => [scrollY, document.documentElement.scrollHeight - innerHeight])).toEqual([0, 0])
})

test("a passage is shown in its place after its document was indexed anew", async ({ page }) => {
  const account = await signUp(page)
  const id = await storeDocument(account.email, "Zorbulator manual", PASSAGES)
  await page.goto("/")
  await askAndWait(page, QUESTION)
  await renumberPassages(id)
  await settledAnswers(page).getByRole("button", { name: "Zorbulator manual, page 2" }).first().click()
  await expect(passage(page)).toContainText("eleven minutes")
  await expect(panel(page).getByLabel("After the passage")).toContainText("logbook")
})

test("a passage that was replaced since is shown as the answer kept it", async ({ page }) => {
  const account = await signUp(page)
  const id = await storeDocument(account.email, "Zorbulator manual", PASSAGES)
  await page.goto("/")
  await askAndWait(page, QUESTION)
  await replacePassages(id)
  await settledAnswers(page).getByRole("button", { name: "Zorbulator manual, page 2" }).first().click()
  await expect(panel(page).getByText("The document has changed since")).toBeVisible()
  await expect(passage(page)).toContainText("eleven minutes")
})

test("what is copied says what its marks stand for", async ({ page, context }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"])
  await page.clock.install()
  const account = await signUp(page)
  await storeDocument(account.email, "Zorbulator manual", PASSAGES)
  await page.goto("/")
  await askAndWait(page, QUESTION)
  // What is said of a copy goes again by itself.
  await page.clock.pauseAt(Date.now() + 60_000)
  await settledAnswers(page).getByRole("button", { name: "Copy answer" }).click()
  await expect(settledAnswers(page).getByRole("button", { name: "Copied" })).toBeVisible()
  const copied = await page.evaluate(() => navigator.clipboard.readText())
  const list = copied.split("\n\nSources\n")[1] ?? ""
  const number = /^\[(\d+)\] Zorbulator manual, page 2$/m.exec(list)?.[1]
  expect(copied).toMatch(new RegExp(`eleven minutes[^]*\\[${number}\\][^]*\n\nSources\n`))
})

test("numbers without a passage, and marks in code, stay text", async ({ page }) => {
  await signUp(page)
  await askAndWait(page, "[[echo]] As [1] and [2, 3] say, `rows[1]`.\n\n```\nrows[1]\n```")
  await expect(settledAnswers(page)).toContainText("As [1] and [2][3] say, rows[1].")
  await expect(marks(page)).toHaveCount(0)
})

test("at 360 px the passage lies above the chat and fits", async ({ page }) => {
  await page.setViewportSize({ width: 360, height: 740 })
  const account = await signUp(page)
  await storeDocument(account.email, `Zorbulator manual ${"with-a-very-long-name-".repeat(5)}`, PASSAGES)
  await page.goto("/")
  await askAndWait(page, QUESTION)
  // By key: between the two halves of a click the chat may still move.
  await marks(page).first().press("Enter")
  await expect(passage(page)).toBeInViewport()
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360)
  await page.getByRole("button", { name: "Close" }).click()
  await expect(marks(page).first()).toBeFocused()
})

test("from a file to an answer that shows where it stands, and gone again", async ({ page, browser, baseURL }) => {
  test.slow()
  const word = `quibbleton${Date.now().toString(36)}`
  const question = `What colour is the ${word}?`
  await signUp(page)
  await goToDocuments(page)
  await upload(page, { name: "colours.md", text: `# Colours\n\nThe ${word} is painted turquoise every spring.` })
  await expect(documentRow(page, /colours/i)).toContainText("Ready", { timeout: 60_000 })
  await page.getByRole("link", { name: "New chat" }).click()
  await askAndWait(page, question)
  await expect(settledAnswers(page)).toContainText("turquoise")
  await marks(page).first().press("Enter")
  await expect(passage(page)).toContainText(`The ${word} is painted turquoise`)

  const stranger = await browser.newPage({ baseURL })
  await signUp(stranger)
  await askAndWait(stranger, question)
  await expect(settledAnswers(stranger)).not.toContainText("turquoise")
  await stranger.close()

  await goToDocuments(page)
  await page.getByRole("button", { name: /^Options for colours/i }).click()
  await page.getByRole("menuitem", { name: "Delete" }).click()
  await page.getByRole("alertdialog").getByRole("button", { name: "Delete" }).click()
  await expect(documentRow(page, /colours/i)).toHaveCount(0)
  await page.getByRole("link", { name: "New chat" }).click()
  await askAndWait(page, question)
  await expect(settledAnswers(page)).not.toContainText("turquoise")
})
