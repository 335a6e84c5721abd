import type { Page } from "@playwright/test"
import { readFile } from "node:fs/promises"
import { expect, signUp, test, withDatabase } from "./support/app"
import { choose, documentRow, documentRows, dragOver, goToDocuments, makeAdmin, setState, storeDocument, upload, uploadRows } from "./support/documents"

const MIB = 1024 * 1024

async function options(page: Page, title: string, item: string): Promise<void> {
  await page.getByRole("button", { name: `Options for ${title}` }).click()
  await page.getByRole("menuitem", { name: item }).click()
}

test("an upload is listed, private, found by others nowhere, and comes back as it was", async ({ page, browser, baseURL }) => {
  await signUp(page)
  await page.getByRole("complementary", { name: "Conversations" }).getByRole("link", { name: "Documents" }).click()
  await expect(page).toHaveURL(/\/documents$/)
  await goToDocuments(page)
  await upload(page, { name: "notes.md", text: "# Notes\n\nThe kettle is blue." })
  const row = documentRow(page, "notes")
  await expect(row).toContainText("Private")
  await expect(row).toContainText(/Waiting|Being read|Ready/)
  await expect(row).toContainText(/Markdown\s*28 bytes/)
  await expect(page.getByText("Your uploads: 1 of")).toBeVisible()

  const download = page.waitForEvent("download")
  await options(page, await row.getByRole("link").innerText(), "Download")
  const file = await download
  expect(file.suggestedFilename()).toBe("notes.md")
  expect(await readFile(await file.path(), "utf8")).toBe("# Notes\n\nThe kettle is blue.")

  await row.getByRole("link").click()
  await expect(page).toHaveURL(/\/documents\/./)
  const address = page.url()
  const stranger = await browser.newPage({ baseURL })
  await signUp(stranger)
  await goToDocuments(stranger)
  await expect(documentRow(stranger, "notes")).toHaveCount(0)
  await stranger.goto(address)
  await expect(stranger.getByText("There is no such document")).toBeVisible()
  await stranger.close()
})

test("files are dropped anywhere on the page", async ({ page }) => {
  await signUp(page)
  await goToDocuments(page)
  const first = await dragOver(page, { name: "dropped.md", text: "Dropped." })
  await expect(page.getByText("Let go to upload")).toBeVisible()
  await first.leave()
  await expect(page.getByText("Let go to upload")).toHaveCount(0)
  const second = await dragOver(page, { name: "dropped.md", text: "Dropped." }, { name: "second.md", text: "Second." })
  await second.drop()
  await expect(page.getByText("Let go to upload")).toHaveCount(0)
  await expect(documentRow(page, "dropped")).toBeVisible()
  await expect(documentRow(page, "second")).toBeVisible()
})

test("what cannot be taken in is said before it is sent, and nothing of it arrives", async ({ page }) => {
  await signUp(page)
  await goToDocuments(page)
  const sent: string[] = []
  page.on("request", (request) => {
    if (request.method() === "POST" && request.url().endsWith("/api/documents")) sent.push(request.url())
  })
  await choose(page, { name: "large.pdf", bytes: Buffer.alloc(21 * MIB, "x"), type: "application/pdf" })
  await expect(uploadRows(page)).toContainText("This file has 21 MB; 20 MB is the most.")
  await choose(page, { name: "program.exe", text: "x", type: "application/octet-stream" })
  await choose(page, { name: "empty.md", text: "" })
  await expect(uploadRows(page)).toHaveText([/large\.pdf/, /EXE files cannot be read\. These can: .*PDF/, /This file is empty\./])
  await expect(page.getByRole("status").filter({ hasText: "program.exe: EXE files cannot be read." })).toHaveCount(1)
  expect(sent).toEqual([])
  await page.getByRole("button", { name: "Dismiss all" }).click()
  await expect(uploadRows(page)).toHaveCount(0)
})

test("a file that is not what its name says is refused by the server, in its words", async ({ page }) => {
  await signUp(page)
  await goToDocuments(page)
  await choose(page, { name: "picture.pdf", text: "MZ\u0000\u0000 not a PDF", type: "application/pdf" })
  await expect(uploadRows(page)).toContainText(/picture\.pdf/)
  await expect(uploadRows(page).getByRole("button", { name: "Try again" })).toHaveCount(0)
  await expect(documentRow(page, "picture")).toHaveCount(0)
})

test("the same file again is told as that, and leads to the one that is there", async ({ page }) => {
  await signUp(page)
  await goToDocuments(page)
  const file = { name: "twice.md", text: "The same words." }
  await upload(page, file)
  await choose(page, { ...file, name: "other-name.md" })
  await expect(uploadRows(page)).toContainText("You have uploaded this very file before.")
  await uploadRows(page).getByRole("link", { name: "Show it" }).click()
  await expect(page.getByRole("heading", { level: 1, name: "twice" })).toBeVisible()
})

test("deleting asks first, and then it is gone", async ({ page }) => {
  await signUp(page)
  await goToDocuments(page)
  await upload(page, { name: "short lived.md", text: "Here for a moment." })
  const title = await documentRow(page, "short lived").getByRole("link").innerText()
  await options(page, title, "Delete")
  await page.getByRole("alertdialog").getByRole("button", { name: "Keep it" }).click()
  await expect(documentRow(page, title)).toBeVisible()
  await options(page, title, "Delete")
  await page.getByRole("alertdialog").getByRole("button", { name: "Delete" }).click()
  await expect(documentRow(page, title)).toHaveCount(0)
  await page.reload()
  await expect(page.getByTestId("summary")).toBeVisible()
  await expect(documentRow(page, title)).toHaveCount(0)
})

test("every state has its words, and a fault says what to do", async ({ page }) => {
  const account = await signUp(page)
  for (const title of ["First", "Second", "Third"]) await storeDocument(account.email, title, ["Some text."])
  await setState(account.email, "Second", { status: "not_indexed", code: "encrypted", message: "This file is protected by a password." })
  await setState(account.email, "Third", { status: "failed", code: "timed_out", message: "Reading this file took too long." })
  await goToDocuments(page)
  await expect(documentRow(page, "First")).toContainText("Ready")
  await expect(documentRow(page, "Second")).toContainText("Not searchable")
  await expect(documentRow(page, "Second")).toContainText("This file is protected by a password. Save it without the password")
  await expect(documentRow(page, "Third")).toContainText("Failed")
  await expect(documentRow(page, "Third")).toContainText("Until then its earlier text is used.")

  // What changes elsewhere shows without a reload, while something is on its way.
  await setState(account.email, "First", { status: "indexing" })
  await page.reload()
  await expect(documentRow(page, "First")).toContainText("Being read")
  await setState(account.email, "First", { status: "indexed" })
  await expect(documentRow(page, "First")).toContainText("Ready")
})

test("the list is narrowed by name, owner and state, and the address keeps it", async ({ page }) => {
  const account = await signUp(page)
  for (const title of ["Handbook of tests", "Report of tests", "Minutes"]) await storeDocument(account.email, title, ["Some text."])
  await setState(account.email, "Minutes", { status: "failed", code: "crashed", message: "It could not be read." })
  await goToDocuments(page)
  await page.getByRole("radio", { name: "Mine" }).check()
  await expect(documentRows(page)).toHaveCount(3)
  await page.getByLabel("Search by name").fill("of tests")
  await expect(documentRows(page)).toHaveCount(2)
  await expect(page).toHaveURL(/\?scope=own&q=of\+tests$/)
  await page.getByLabel("Search by name").fill("")
  await page.getByLabel("State").selectOption("failed")
  await expect(documentRows(page)).toHaveText([/Minutes/])
  await page.reload()
  await expect(documentRows(page)).toHaveText([/Minutes/])
  await page.getByLabel("Search by name").fill("no such thing")
  await expect(page.getByText("No document matches.")).toBeVisible()
  await page.getByRole("button", { name: "Show all" }).click()
  await expect(page).toHaveURL(/\/documents$/)
  await expect(page.getByLabel("Search by name")).toHaveValue("")
})

test("more than a page of documents is shown on demand", async ({ page }) => {
  const account = await signUp(page)
  for (let number = 1; number <= 52; number += 1) await storeDocument(account.email, `Document ${number}`, ["Text."])
  await page.goto("/documents?scope=own")
  await expect(documentRows(page)).toHaveCount(50)
  await page.getByRole("button", { name: "Show more" }).click()
  await expect(documentRows(page)).toHaveCount(52)
  await expect(page.getByRole("button", { name: "Show more" })).toHaveCount(0)
})

test("a document is read in parts", async ({ page }) => {
  const account = await signUp(page)
  const passages = Array.from({ length: 12 }, (_, index) => `Passage ${index + 1}.\n\n${"Words fill the page. ".repeat(110)}`)
  const id = await storeDocument(account.email, "A long one", passages, { url: "javascript:alert(1)" })
  await page.goto(`/documents/${id}`)
  const article = page.getByRole("article", { name: "A long one" })
  await expect(article).toContainText("Passage 1.")
  await expect(page).toHaveTitle(/^A long one – /)
  await article.getByRole("button", { name: "Next" }).first().click()
  await expect(page).toHaveURL(/\?part=2$/)
  await expect(article).not.toContainText("Passage 1.")
  await page.goBack()
  await expect(article).toContainText("Passage 1.")
  await expect(page.locator("a[href^='javascript']")).toHaveCount(0)
})

test("a document of an earlier version is opened by its id, a path", async ({ page }) => {
  const account = await signUp(page)
  const id = `/app/rag-documents/100% ${account.email}/handbook.md`
  await withDatabase(async (client) => {
    const stored = await storeDocument(account.email, "Handbook", ["It has one page."])
    await client.query("insert into public.document_metadata (id, title, owner_id) select $2, title, owner_id from public.document_metadata where id = $1", [stored, id])
    await client.query("update public.documents set document_id = $2 where document_id = $1", [stored, id])
    await client.query("delete from public.document_metadata where id = $1", [stored])
  })
  await page.goto("/documents?scope=own")
  await documentRow(page, "Handbook").getByRole("link", { name: "Handbook" }).click()
  await expect(page.getByRole("article", { name: "Handbook" })).toContainText("It has one page.")
  await page.reload()
  await expect(page.getByRole("article", { name: "Handbook" })).toContainText("It has one page.")
})

test("only operators share, and then everyone can read it until they stop", async ({ page, browser, baseURL }) => {
  const account = await signUp(page)
  await goToDocuments(page)
  await expect(page.getByText("Connected folders")).toHaveCount(0)
  await makeAdmin(account.email)
  await goToDocuments(page)
  const name = `house rules ${Date.now().toString(36)}`
  await upload(page, { name: `${name}.md`, text: `Rules of ${name}.` })
  const title = await documentRow(page, name).getByRole("link").innerText()
  const member = await browser.newPage({ baseURL })
  await signUp(member)
  await goToDocuments(member)
  await expect(documentRow(member, title)).toHaveCount(0)

  await options(page, title, "Share with everyone")
  await page.getByRole("alertdialog").getByRole("button", { name: "Share", exact: true }).click()
  await expect(documentRow(page, title)).toContainText("Shared")
  await goToDocuments(member)
  await expect(documentRow(member, title)).toContainText("Shared")
  await expect(member.getByRole("checkbox", { name: "Share with everyone" })).toHaveCount(0)

  // However long its index takes: it says so, and cannot be taken for called off.
  const held: (() => void)[] = []
  await page.route("**/api/documents/*", async (route) => {
    if (route.request().method() === "PATCH") await new Promise<void>((resolve) => held.push(resolve))
    await route.continue()
  })
  await options(page, title, "Stop sharing")
  const question = page.getByRole("alertdialog")
  await question.getByRole("button", { name: "Stop sharing" }).click()
  await expect(question.getByRole("status")).toContainText("takes a few minutes")
  await expect(question.getByRole("button", { name: "Keep it shared" })).toBeDisabled()
  await page.keyboard.press("Escape")
  await expect(question).toBeVisible()
  await expect.poll(() => held.length).toBe(1)
  held[0]?.()
  await expect(documentRow(page, title)).toContainText("Private")
  await goToDocuments(member)
  await expect(documentRow(member, title)).toHaveCount(0)
  await member.close()
})

test("with nothing of one's own there, it says what to do", async ({ page }) => {
  await signUp(page)
  await page.goto("/documents?scope=own")
  await expect(page.getByRole("heading", { name: "Nothing of yours yet" })).toBeVisible()
  await expect(page.getByText("Drop files anywhere on this page, or choose them.")).toBeVisible()
  await expect(page.getByRole("button", { name: "Upload files" })).toHaveCount(2)
  await page.goto("/documents?scope=own&status=failed")
  await expect(page.getByText("No document matches.")).toBeVisible()
})

for (const scheme of ["light", "dark"] as const) {
  test(`at 360 px, ${scheme}, by keyboard: upload, read, delete`, async ({ page }) => {
    await page.setViewportSize({ width: 360, height: 740 })
    await page.emulateMedia({ colorScheme: scheme })
    const fits = async () => expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360)
    await signUp(page)
    await page.getByRole("button", { name: "Show conversations" }).press("Enter")
    await page.getByRole("dialog").getByRole("link", { name: "Documents" }).press("Enter")
    await expect(page.getByRole("heading", { name: "Documents", level: 1 })).toBeVisible()
    await fits()
    const name = `a-name-without-any-blanks-${"very-".repeat(12)}long`
    const chooser = page.waitForEvent("filechooser")
    await page.getByRole("button", { name: "Upload files" }).first().press("Enter")
    await (await chooser).setFiles([{ name: `${name}.md`, mimeType: "text/markdown", buffer: Buffer.from(`# ${name}\n\nIts text.`) }])
    const link = documentRow(page, name).getByRole("link")
    await expect(link).toBeVisible()
    await fits()
    await link.press("Enter")
    // The page's own stands first; the text has one, too.
    await expect(page.getByRole("heading", { level: 1, name }).first()).toBeVisible()
    await fits()
    await page.getByRole("button", { name: /^Options for/ }).press("Enter")
    await expect(page.getByRole("menuitem").first()).toBeFocused()
    await page.keyboard.press("End")
    await expect(page.getByRole("menuitem", { name: "Delete" })).toBeFocused()
    await page.keyboard.press("Enter")
    await expect(page.getByRole("button", { name: "Keep it" })).toBeFocused()
    await page.keyboard.press("Escape")
    await expect(page.getByRole("button", { name: /^Options for/ })).toBeFocused()
    await page.keyboard.press("Enter")
    await expect(page.getByRole("menuitem").first()).toBeFocused()
    await page.keyboard.press("End")
    await expect(page.getByRole("menuitem", { name: "Delete" })).toBeFocused()
    await page.keyboard.press("Enter")
    await expect(page.getByRole("button", { name: "Keep it" })).toBeFocused()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page).toHaveURL(/\/documents$/)
    await expect(documentRow(page, name)).toHaveCount(0)
  })
}
