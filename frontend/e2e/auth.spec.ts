import { ask, composer, expect, newAccount, PASSWORD, questions, signIn, signUp, test } from "./support/app"

test("whoever is not signed in is sent to sign-in and comes back to where they wanted to go", async ({ page }) => {
  const account = await signUp(page)
  await page.getByRole("button", { name: "Account menu" }).click()
  await page.getByRole("menuitem", { name: "Sign out" }).click()
  await expect(page).toHaveURL(/\/login/)

  await page.goto("/token-history")
  await expect(page).toHaveURL(/\/login\?next=%2Ftoken-history/)
  await signIn(page, account)
  await expect(page).toHaveURL(/\/token-history$/)
  await expect(page.getByRole("heading", { name: "Token history" })).toBeVisible()
})

test("signing out ends the session in every tab and leaves nothing behind", async ({ page, context }) => {
  await signUp(page)
  await ask(page, "[[echo]] hello")
  await composer(page).fill("half a thought")
  const second = await context.newPage()
  await second.goto("/")
  await expect(composer(second)).toBeVisible()

  await page.getByRole("button", { name: "Account menu" }).click()
  await page.getByRole("menuitem", { name: "Sign out" }).click()
  await expect(page).toHaveURL(/\/login$/)
  await expect(second).toHaveURL(/\/login/)
  await page.goBack()
  await expect(page).toHaveURL(/\/login/)
  const kept = await page.evaluate(() => [...Object.keys(localStorage), ...Object.keys(sessionStorage)])
  expect(kept.filter((key) => key !== "theme")).toEqual([])
})

test("a wrong password is said at the field, which gets the focus", async ({ page }) => {
  const account = await signUp(page)
  await page.getByRole("button", { name: "Account menu" }).click()
  await page.getByRole("menuitem", { name: "Sign out" }).click()
  await signIn(page, { ...account, password: "not-the-password" })
  await expect(page.getByLabel("Password")).toHaveAccessibleDescription(/do not match/)
  await expect(page.getByLabel("Password")).toBeFocused()
  await signIn(page, account)
  await expect(composer(page)).toBeVisible()
})

test("an email that has an account already leads to sign-in", async ({ page, browser }) => {
  const account = await signUp(page)
  const other = await browser.newPage()
  await other.goto("/login?mode=sign-up")
  await other.getByLabel("Email").fill(account.email)
  await other.getByLabel("Password").fill(PASSWORD)
  await other.getByRole("button", { name: "Create account" }).click()
  await expect(other.getByLabel("Email")).toHaveAccessibleDescription(/already an account/)
  await other.getByRole("button", { name: "Sign in instead" }).click()
  await expect(other.getByRole("heading", { name: "Welcome back" })).toBeVisible()
  await other.close()
})

test("a weak password and a broken address are refused before they are sent", async ({ page }) => {
  await page.goto("/login?mode=sign-up")
  await page.getByLabel("Email").fill("no-address")
  await page.getByLabel("Password").fill("short")
  await page.getByRole("button", { name: "Create account" }).click()
  await expect(page.getByLabel("Email")).toHaveAccessibleDescription(/Enter an email address/)
  await expect(page.getByLabel("Password")).toHaveAccessibleDescription(/at least 8 characters/)
})

test("a session that the server no longer accepts leads to sign-in with the question kept", async ({ page }) => {
  const account = await signUp(page, newAccount())
  await composer(page).fill("a long question")
  // What a revoked session looks like from here: neither of its two tokens is worth anything.
  await page.evaluate(() => {
    const session = JSON.parse(localStorage.getItem("session") ?? "{}") as Record<string, unknown>
    const broken = { ...session, access_token: `${String(session.access_token)}x`, refresh_token: "gone" }
    localStorage.setItem("session", JSON.stringify(broken))
  })
  await composer(page).press("Enter")
  await expect(page.getByText("Your session has ended")).toBeVisible()
  await signIn(page, account)
  await expect(composer(page)).toHaveValue("a long question")
  await expect(questions(page)).toHaveCount(0)
})

test("a used or broken confirmation link says so", async ({ page }) => {
  await page.goto("/auth/callback#error=access_denied&error_code=otp_expired&error_description=expired")
  await expect(page.getByText("This link is no longer valid")).toBeVisible()
})
