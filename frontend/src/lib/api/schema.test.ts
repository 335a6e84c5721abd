import { readFile } from "node:fs/promises"
import openapiTS, { astToString } from "openapi-typescript"
import { expect, test } from "vitest"

const fromRoot = (path: string) => new URL(`../../../${path}`, import.meta.url)

test("schema.d.ts is what `npm run generate:api` makes of openapi.json", async () => {
  const generated = astToString(await openapiTS(fromRoot("openapi.json")))
  const committed = await readFile(fromRoot("src/lib/api/schema.d.ts"), "utf8")
  // The command puts a comment of its own on top.
  expect(committed.endsWith(generated)).toBe(true)
})
