import { ask, askAndWait, composer, expect, newAccount, settledAnswers, signUp, test } from "./support/app"
import type { Page } from "@playwright/test"

async function expectNoSidewaysScroll(page: Page) {
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
  expect(overflow).toBe(0)
}

test.describe("at 360 px", () => {
  test.use({ viewport: { width: 360, height: 740 }, hasTouch: true })

  test("everything is reachable and nothing scrolls sideways", async ({ page }) => {
    await signUp(page)
    await expectNoSidewaysScroll(page)
    await askAndWait(page, "[[markdown]]")
    await expectNoSidewaysScroll(page)
    await expect(composer(page)).toBeInViewport()

    await page.getByRole("button", { name: "Show conversations" }).click()
    const sheet = page.getByRole("dialog", { name: "Conversations" })
    await expect(sheet.getByRole("button", { name: /^Options for/ })).toBeVisible()
    await sheet.getByRole("link", { name: "New chat" }).click()
    await expect(sheet).toHaveCount(0)
    await expect(page.getByRole("heading", { name: /what would you like to know/i })).toBeInViewport()

    await page.goto("/token-history")
    await expect(page.getByText("Question asked")).toBeVisible()
    await expectNoSidewaysScroll(page)
  })

  test("a notice fits", async ({ page }) => {
    await signUp(page)
    await ask(page, "[[fail]] hello")
    await expect(page.getByRole("button", { name: "Ask again" })).toBeInViewport()
    await expectNoSidewaysScroll(page)
  })
})

/** Presses Tab until the wanted element has the focus; every stop on the way must show that it has it. */
async function tabTo(page: Page, name: string | RegExp, role: "button" | "link" | "textbox") {
  const wanted = page.getByRole(role, { name }).first()
  for (let stops = 0; stops < 40; stops += 1) {
    await page.keyboard.press("Tab")
    const isMarked = await page.evaluate(() => {
      const element = document.activeElement
      if (!element || element === document.body) return true
      const marked = [element, ...(element.id === "composer" ? [element.parentElement] : [])]
      return marked.some((one) => one && (getComputedStyle(one).outlineStyle !== "none" || one.matches(":focus-within")))
    })
    expect(isMarked).toBe(true)
    if (await wanted.evaluate((element) => element === document.activeElement)) return
  }
  throw new Error(`Tab never reached ${String(name)}`)
}

test("everything works by keyboard alone", async ({ page }) => {
  const account = newAccount()
  await page.goto("/login")
  await expect(page.getByRole("heading", { name: "Welcome back" })).toBeVisible()
  await tabTo(page, "Create an account", "button")
  await page.keyboard.press("Enter")
  await tabTo(page, "Email", "textbox")
  await page.keyboard.type(account.email)
  await page.keyboard.press("Tab")
  await page.keyboard.type(account.password)
  await page.keyboard.press("Enter")

  await expect(composer(page)).toBeFocused()
  await page.keyboard.type("[[echo]] line one")
  await page.keyboard.press("Shift+Enter")
  await page.keyboard.type("line two")
  await page.keyboard.press("Enter")
  await expect(settledAnswers(page)).toContainText("line two")
  await expect(composer(page)).toBeFocused()

  await page.goto("/token-history")
  await expect(page.getByText("Question asked")).toBeVisible()
  await page.keyboard.press("Tab")
  await expect(page.getByRole("link", { name: "Skip to the conversation" })).toBeFocused()
  await page.keyboard.press("Enter")
  await expect(page.getByRole("main")).toBeFocused()

  await page.reload()
  await expect(page.getByText("Question asked")).toBeVisible()
  await tabTo(page, /^Options for/, "button")
  await page.keyboard.press("Enter")
  await expect(page.getByRole("menuitem", { name: "Rename" })).toBeFocused()
  await page.keyboard.press("Escape")
  await expect(page.getByRole("button", { name: /^Options for/ })).toBeFocused()
  await tabTo(page, "Account menu", "button")
  await page.keyboard.press("Enter")
  await page.keyboard.press("End")
  await expect(page.getByRole("menuitem", { name: "Sign out" })).toBeFocused()
  await page.keyboard.press("Enter")
  await expect(page.getByRole("heading", { name: "Welcome back" })).toBeVisible()
})

test("an answer is announced once, when it is whole", async ({ page }) => {
  await signUp(page)
  await ask(page, "[[slow:chunks=15,ms=80]] hello")
  const announcer = page.locator("p[aria-live=polite]")
  await expect(announcer).toHaveText("Writing an answer…")
  await expect(announcer).toContainText("word15")
})

test("light, dark and the system's choice", async ({ page }) => {
  await page.emulateMedia({ colorScheme: "dark" })
  await signUp(page)
  const isDark = () => page.evaluate(() => document.documentElement.classList.contains("dark"))
  expect(await isDark()).toBe(true)
  await page.getByRole("button", { name: "Account menu" }).click()
  await page.getByRole("menuitemradio", { name: "Light" }).click()
  expect(await isDark()).toBe(false)
  await page.reload()
  await expect(composer(page)).toBeVisible()
  expect(await isDark()).toBe(false)
  await page.getByRole("button", { name: "Account menu" }).click()
  await page.getByRole("menuitemradio", { name: "As the system" }).click()
  expect(await isDark()).toBe(true)
  await page.emulateMedia({ colorScheme: "light" })
  await expect.poll(isDark).toBe(false)
})

test("a name can be given, and greets", async ({ page }) => {
  await signUp(page, { ...newAccount(), name: "" })
  await page.getByRole("button", { name: "Account menu" }).click()
  await page.getByRole("menuitem", { name: "Add your name" }).click()
  await page.getByRole("textbox", { name: "Name" }).fill("Ada Byron")
  await page.getByRole("button", { name: "Save" }).click()
  await expect(page.getByRole("heading", { name: "Hello Ada, what would you like to know?" })).toBeVisible()
})
