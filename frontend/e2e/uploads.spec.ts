import { expect, signUp } from "./support/app"
import { choose, documentRow, goToDocuments, uploadRows } from "./support/documents"
import { test } from "./support/wire"

const isUpload = (method: string, path: string) => method === "POST" && path === "/api/documents"
const file = { name: "travelling.md", text: "On its way." }

test("a line that breaks in mid-upload loses nothing: trying again sends the file", async ({ page, cable }) => {
  await signUp(page)
  await goToDocuments(page)
  const arrive = cable.hold(isUpload)
  await choose(page, file)
  await expect(page.getByRole("progressbar", { name: "Uploading travelling.md" })).toBeVisible()
  await expect.poll(() => cable.heldCount).toBe(1)
  cable.cut()
  await expect(uploadRows(page)).toContainText("The connection was lost before the file had arrived.")
  arrive()
  cable.mend()
  await uploadRows(page).getByRole("button", { name: "Try again" }).click()
  await expect(documentRow(page, "travelling")).toHaveCount(1)
  await expect(uploadRows(page)).toHaveCount(0)
})

test("an upload that is cancelled does not arrive", async ({ page, cable }) => {
  await signUp(page)
  await goToDocuments(page)
  const arrive = cable.hold(isUpload)
  await choose(page, file)
  await expect.poll(() => cable.heldCount).toBe(1)
  await page.getByRole("button", { name: "Cancel the upload of travelling.md" }).click()
  await expect(uploadRows(page)).toHaveCount(0)
  await expect.poll(() => cable.heldCount).toBe(0)
  arrive()
  await choose(page, { name: "later.md", text: "Another one." })
  await expect(documentRow(page, "later")).toBeVisible()
  await expect(documentRow(page, "travelling")).toHaveCount(0)
})

test("two go at once, the others wait; looking elsewhere cancels nothing, leaving asks first", async ({ page, cable }) => {
  await signUp(page)
  await goToDocuments(page)
  const arrive = cable.hold(isUpload)
  await choose(page, ...["one", "two", "three"].map((name) => ({ name: `${name}.md`, text: `This is ${name}.` })))
  await expect(page.getByRole("progressbar")).toHaveCount(2)
  await expect(uploadRows(page).nth(2)).toContainText("waits for its turn")

  let isAsked = false
  page.once("dialog", (dialog) => {
    isAsked = dialog.type() === "beforeunload"
    void dialog.dismiss()
  })
  await page.close({ runBeforeUnload: true })
  await expect.poll(() => isAsked).toBe(true)

  await page.getByRole("link", { name: "New chat" }).first().click()
  await expect(page.getByRole("link", { name: "Uploading 3 files" })).toBeVisible()
  arrive()
  await expect(page.getByText("3 files uploaded.").first()).toBeVisible()
  await page.getByRole("link", { name: "Documents" }).click()
  for (const name of ["one", "two", "three"]) await expect(documentRow(page, name)).toBeVisible()
})

test("a session that ran out is renewed under an upload", async ({ page, context }) => {
  await signUp(page)
  await goToDocuments(page)
  let refusals = 0
  await page.evaluate(() => {
    const stored = JSON.parse(localStorage.getItem("session") ?? "{}") as { access_token: string }
    // Signed by nobody: the server refuses it, the browser does not know that.
    localStorage.setItem("session", JSON.stringify({ ...stored, access_token: `${stored.access_token.slice(0, -8)}AAAAAAAA` }))
  })
  context.on("response", (response) => {
    if (response.request().method() === "POST" && response.url().endsWith("/api/documents") && response.status() === 401) refusals += 1
  })
  await choose(page, file)
  await expect(documentRow(page, "travelling")).toBeVisible()
  expect(refusals).toBeLessThanOrEqual(1)
})
