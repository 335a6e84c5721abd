import { mkdirSync } from "node:fs"
import type { Page } from "@playwright/test"
import { ask, askAndWait, balance, composer, expect, expectEnding, liveAnswer, PASSWORD, settledAnswers, sidebar, test } from "./support/app"
import { documentRow } from "./support/documents"

/**
 * The way of docs/walkthrough.md, so that the page stays true. With WALKTHROUGH_IMAGES set to a folder, its pictures are
 * taken anew: `WALKTHROUGH_IMAGES=../docs/images npx playwright test walkthrough`.
 */
const folder = process.env.WALKTHROUGH_IMAGES

async function picture(page: Page, name: string): Promise<void> {
  if (!folder) return
  mkdirSync(folder, { recursive: true })
  await page.screenshot({ path: `${folder}/${name}.png`, animations: "disabled", caret: "initial" })
}

test("the walkthrough, from sign-up to a settled token", async ({ page }) => {
  test.slow()
  await page.emulateMedia({ colorScheme: "light" })
  await page.goto("/login?mode=sign-up")
  await page.getByLabel("Email").fill(`visitor-${Date.now().toString(36)}@example.com`)
  await page.getByLabel("Password").fill(PASSWORD)
  await picture(page, "sign-up")
  await page.getByRole("button", { name: "Create account" }).click()
  await expect(composer(page)).toBeVisible()
  await expect(balance(page)).toHaveText("10")
  await picture(page, "first-page")

  await ask(page, "[[slow:chunks=60,ms=200]] Please count for me")
  await expect(liveAnswer(page)).toContainText("word12")
  await expect(balance(page)).toHaveText("9")
  await picture(page, "streaming")
  await expectEnding(settledAnswers(page), "word60")

  await page.getByRole("link", { name: "New chat" }).click()
  await askAndWait(page, "Show me some code")
  await expect(sidebar(page).getByRole("link", { name: /code/i })).toBeVisible()
  await picture(page, "chat-light")

  await ask(page, "[[fail]] What happens when the model is away?")
  await expect(page.getByText(/token was returned/i)).toBeVisible()
  await expect(balance(page)).toHaveText("8")
  await picture(page, "model-away")

  await page.emulateMedia({ colorScheme: "dark" })
  await page.setViewportSize({ width: 360, height: 720 })
  await page.getByRole("button", { name: "Ask again" }).scrollIntoViewIfNeeded()
  await picture(page, "phone-dark")

  await page.emulateMedia({ colorScheme: "light" })
  await page.setViewportSize({ width: 1280, height: 800 })
  await page.goto("/token-history")
  await expect(page.getByText("Welcome bonus").filter({ visible: true })).toBeVisible()
  await picture(page, "token-history")

  await page.goto("/purchase-tokens")
  await expect(page.getByText("600").first()).toBeVisible()
  await picture(page, "purchase-tokens")

  await page.goto("/documents")
  await expect(documentRow(page, "User guide").getByText("Ready")).toBeVisible()
  await picture(page, "documents")

  await page.goto("/")
  await askAndWait(page, "How do I buy tokens?")
  await settledAnswers(page).locator(".mark").getByRole("button").first().press("Enter")
  await expect(page.getByRole("dialog", { name: /^Source \d+$/ }).getByLabel("The passage", { exact: true })).toBeVisible()
  await picture(page, "cited-passage")
})
