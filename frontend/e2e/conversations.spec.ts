import { askAndWait, composer, expect, sidebar, signUp, test } from "./support/app"

test.beforeEach(async ({ page }) => {
  await signUp(page)
  await askAndWait(page, "[[echo]] Winter tyres")
})

async function openMenu(page: Parameters<typeof sidebar>[0]) {
  await sidebar(page).getByRole("listitem").first().hover()
  await sidebar(page).getByRole("button", { name: /^Options for/ }).click()
}

test("a conversation can be renamed", async ({ page }) => {
  await openMenu(page)
  await page.getByRole("menuitem", { name: "Rename" }).click()
  const name = page.getByRole("textbox", { name: "Name of the conversation" })
  await expect(name).toBeFocused()
  await name.fill("Tyres for the van")
  await name.press("Enter")
  await expect(sidebar(page).getByRole("link", { name: "Tyres for the van" })).toBeVisible()
  await expect(page.getByRole("banner")).toContainText("Tyres for the van")
  await page.reload()
  await expect(sidebar(page).getByRole("link", { name: "Tyres for the van" })).toBeVisible()
})

test("Escape leaves the name as it was", async ({ page }) => {
  await openMenu(page)
  await page.getByRole("menuitem", { name: "Rename" }).click()
  await page.getByRole("textbox", { name: "Name of the conversation" }).fill("Nonsense")
  await page.keyboard.press("Escape")
  await expect(page.getByRole("textbox", { name: "Name of the conversation" })).toHaveCount(0)
  await expect(sidebar(page).getByText("Nonsense")).toHaveCount(0)
})

test("deleting asks first, then leaves the conversation", async ({ page }) => {
  const address = page.url()
  await openMenu(page)
  await page.getByRole("menuitem", { name: "Delete" }).click()
  const question = page.getByRole("alertdialog")
  await expect(question.getByRole("button", { name: "Keep it" })).toBeFocused()
  await page.keyboard.press("Escape")
  await expect(question).toHaveCount(0)
  await expect(page).toHaveURL(address)

  await openMenu(page)
  await page.getByRole("menuitem", { name: "Delete" }).click()
  await question.getByRole("button", { name: "Delete" }).click()
  await expect(page).toHaveURL(/\/$/)
  await expect(sidebar(page).getByText("Your conversations will appear here.")).toBeVisible()
  await page.goto(address)
  await expect(page.getByText("There is no such conversation")).toBeVisible()
})

test("archiving can be undone, and the archive gives back", async ({ page }) => {
  await openMenu(page)
  await page.getByRole("menuitem", { name: "Archive" }).click()
  await expect(sidebar(page).getByRole("listitem")).toHaveCount(0)
  await page.getByRole("button", { name: "Undo" }).click()
  await expect(sidebar(page).getByRole("listitem")).toHaveCount(1)

  await openMenu(page)
  await page.getByRole("menuitem", { name: "Archive" }).click()
  await expect(sidebar(page).getByRole("listitem")).toHaveCount(0)
  await sidebar(page).getByRole("button", { name: "Archive" }).click()
  await expect(sidebar(page).getByRole("listitem")).toHaveCount(1)
  await openMenu(page)
  await page.getByRole("menuitem", { name: "Move back" }).click()
  await expect(sidebar(page).getByText("Nothing is archived.")).toBeVisible()
  await sidebar(page).getByRole("button", { name: "Back to conversations" }).click()
  await expect(sidebar(page).getByRole("listitem")).toHaveCount(1)
})

test("a new chat starts empty with the cursor in the composer", async ({ page }) => {
  await sidebar(page).getByRole("link", { name: "New chat" }).click()
  await expect(page).toHaveURL(/\/$/)
  await expect(composer(page)).toBeFocused()
  await expect(page.getByRole("article")).toHaveCount(0)
})
