import { askAndWait, expect, settledAnswers, signUp, test } from "./support/app"

test("hostile Markdown is shown and does nothing", async ({ page }) => {
  await signUp(page)
  await askAndWait(page, "[[markdown]]")
  const answer = settledAnswers(page)
  await expect(answer.getByRole("heading", { name: "Heading one" })).toBeVisible()
  await expect(answer.getByRole("table")).toBeVisible()
  // Raw HTML stands there as the text it is.
  await expect(answer).toContainText("<script>")
  await expect(answer.locator("script, iframe, img, style, object, embed, form")).toHaveCount(0)
  const links = await answer.getByRole("link").evaluateAll((found) =>
    found.map((link) => ({ href: link.getAttribute("href") ?? "", rel: link.getAttribute("rel") ?? "" })),
  )
  expect(links.length).toBeGreaterThan(0)
  for (const { href, rel } of links) {
    expect(href).toMatch(/^(https?:|mailto:)/)
    expect(rel).toContain("noopener")
  }
  const ran = await page.evaluate(() => Object.keys(window).filter((key) => key.startsWith("__demo")))
  expect(ran).toEqual([])
})

test.describe("what people can write", () => {
  for (const [what, text] of [
    ["an image", "![x](https://example.com/steal.png)"],
    ["a javascript link", "[x](javascript:window.__demo_ran=1)"],
    ["an encoded javascript link", "[x](java&#x73;cript:window.__demo_ran=1)"],
    ["a data link", "[x](data:text/html,<script>window.__demo_ran=1</script>)"],
    ["an event handler", "<img src=x onerror=window.__demo_ran=1>"],
    ["an SVG", "<svg onload=window.__demo_ran=1></svg>"],
  ] as const) {
    test(`${what} stays inert`, async ({ page }) => {
      await signUp(page)
      await askAndWait(page, `[[echo]] ${text}`)
      const answer = settledAnswers(page)
      await expect(answer.locator("img, svg[onload], [onerror], a[href^='javascript'], a[href^='data']")).toHaveCount(0)
      expect(await page.evaluate(() => "__demo_ran" in window)).toBe(false)
    })
  }
})

test("right-to-left, emoji and very long words are shown whole", async ({ page }) => {
  await signUp(page)
  const text = `שלום عليكم 👩‍👩‍👧‍👦 ${"W".repeat(500)}`
  await askAndWait(page, `[[echo]] ${text}`)
  await expect(settledAnswers(page)).toContainText("👩‍👩‍👧‍👦")
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
  expect(overflow).toBe(0)
})

test("the page forbids inline scripts and other hosts", async ({ page }) => {
  await page.goto("/login")
  const policy = await page.locator('meta[http-equiv="Content-Security-Policy"]').getAttribute("content")
  expect(policy).toContain("default-src 'none'")
  expect(policy).toContain("script-src 'self';")
  expect((await page.request.get("/health")).status()).toBe(200)
})
