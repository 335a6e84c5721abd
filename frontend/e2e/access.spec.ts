import { ask, askAndWait, composer, expect, expectEnding, newAccount, settledAnswers, signUp, test } from "./support/app"
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

/** Remembers how everything that can have the focus looks without it, and tells whether what has it now shows that. */
function watchFocus(page: Page) {
  return page.evaluateHandle(() => {
    const look = (element: Element) => {
      const { outlineStyle, outlineWidth, outlineColor, boxShadow } = getComputedStyle(element)
      const isOutlined = outlineStyle !== "none" && parseFloat(outlineWidth) > 0 && !/ 0\)$|^transparent$/.test(outlineColor)
      // The composer's text has no outline of its own: its frame changes colour while the focus is within.
      const frame = element.id === "composer" ? element.closest("form") : null
      return { outline: isOutlined ? outlineColor + outlineWidth : "none", boxShadow, frame: frame && getComputedStyle(frame).borderColor }
    }
    const unfocused = new Map<Element, ReturnType<typeof look>>()
    for (const element of document.querySelectorAll("a[href], button, input, textarea, [tabindex]")) {
      if (element !== document.activeElement) unfocused.set(element, look(element))
    }
    return {
      isMarked: () => {
        const element = document.activeElement
        if (!element || element === document.body) return true
        const { outline, boxShadow, frame } = look(element)
        const before = unfocused.get(element)
        // It came meanwhile: how it looked without the focus is not known, so only an outline counts.
        if (!before) return outline !== "none"
        return (outline !== "none" && outline !== before.outline) || boxShadow !== before.boxShadow || frame !== before.frame
      },
    }
  })
}

/** Presses Tab until the wanted element has the focus; every stop on the way must show that it has it. */
async function tabTo(page: Page, name: string | RegExp, role: "button" | "link" | "textbox") {
  const wanted = page.getByRole(role, { name }).first()
  for (let stops = 0; stops < 40; stops += 1) {
    const focus = await watchFocus(page)
    await page.keyboard.press("Tab")
    // Colours may take a moment to change.
    const isMarked = () => focus.evaluate((watched) => watched.isMarked())
    const stop = await page.evaluate(() => document.activeElement?.outerHTML.slice(0, 120))
    await expect.poll(isMarked, { message: `the focus is visible on ${stop}` }).toBe(true)
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
  await expect(page.getByRole("menuitem").first()).toBeFocused()
  await page.keyboard.press("End")
  await expect(page.getByRole("menuitem", { name: "Sign out" })).toBeFocused()
  await page.keyboard.press("Enter")
  await expect(page.getByRole("heading", { name: "Welcome back" })).toBeVisible()
})

test("an answer is announced once, when it is whole", async ({ page }) => {
  await signUp(page)
  // Long enough that a slow machine still sees it being written: twelve seconds.
  await ask(page, "[[slow:chunks=80,ms=150]] hello")
  const announcer = page.locator("p[aria-live=polite]")
  await expect(announcer).toHaveText("Writing an answer…")
  await expectEnding(announcer, "word80")
})

test("light, dark and the system's choice", async ({ page }) => {
  await page.emulateMedia({ colorScheme: "dark" })
  await signUp(page)
  const isDark = () => page.evaluate(() => document.documentElement.classList.contains("dark"))
  expect(await isDark()).toBe(true)
  await page.getByRole("button", { name: "Account menu" }).click()
  await page.getByRole("menuitemradio", { name: "Light" }).click()
  await expect.poll(isDark).toBe(false)
  await page.reload()
  await expect(composer(page)).toBeVisible()
  expect(await isDark()).toBe(false)
  await page.getByRole("button", { name: "Account menu" }).click()
  await page.getByRole("menuitemradio", { name: "As the system" }).click()
  await expect.poll(isDark).toBe(true)
  await page.emulateMedia({ colorScheme: "light" })
  await expect.poll(isDark).toBe(false)
})

test("a name can be given, and greets", async ({ page }) => {
  await signUp(page, { ...newAccount(), name: "" })
  await page.getByRole("button", { name: "Account menu" }).click()
  await page.getByRole("menuitem", { name: "Add your name" }).click()
  await page.getByRole("textbox", { name: "Name" }).fill("Test Person")
  await page.getByRole("button", { name: "Save" }).click()
  await expect(page.getByRole("heading", { name: "Hello Test, what would you like to know?" })).toBeVisible()
})
