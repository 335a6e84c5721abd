import type { Page } from "@playwright/test"
import { test as base } from "./app"
import { Cable } from "./cable"

/** A browser whose every request goes through a cable that can be cut. */
export const test = base.extend<{ cable: Cable; page: Page }>({
  cable: async ({}, use) => {
    const cable = await Cable.lay()
    await use(cable)
    await cable.remove()
  },
  context: async ({ browser, cable, baseURL }, use) => {
    const context = await browser.newContext({ baseURL, proxy: { server: cable.address } })
    await use(context)
    await context.close()
  },
})
