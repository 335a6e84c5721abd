import type { Page } from "@playwright/test"
import { test } from "./support/app"

// The name resolves nowhere, and is not even looked up: the answer is made here.
const STRANGER = "stranger.example.com"

async function leaveBy(page: Page): Promise<void> {
  await page.route(`http://${STRANGER}/**`, (route) => route.fulfill({ body: "" }))
  await page.goto(`http://${STRANGER}/`)
}

test.describe("every test fails by a request to another host", () => {
  test("of its page", async ({ page }) => {
    test.fail()
    await leaveBy(page)
  })

  test("of a second person's", async ({ browser }) => {
    test.fail()
    const context = await browser.newContext()
    await leaveBy(await context.newPage())
    await context.close()
  })

  test("of a socket", async ({ page }) => {
    test.fail()
    // Loopback too, and not one of the addresses that the stack has.
    const opened = page.waitForEvent("websocket")
    await page.evaluate(() => new WebSocket("ws://127.0.0.2:9/").url)
    await opened
  })
})
