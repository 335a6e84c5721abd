// Walks the site in a real browser and prints, as JSON, what its Content-Security-Policy refused. Arguments: the folder
// whose node_modules hold Playwright, the browser's program (empty: Playwright's own), and JSON with `site`, `session`
// and `question`.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [packages, program, given] = process.argv.slice(2);
const { site, session, question } = JSON.parse(given);
const require = createRequire(`${packages}/package.json`);
const { chromium } = (await import(pathToFileURL(require.resolve("@playwright/test")))).default;

const browser = await chromium.launch({
  executablePath: program || undefined,
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP *.example.com 127.0.0.1",
  ],
});
const context = await browser.newContext({ ignoreHTTPSErrors: true });
const refused = [];
const faults = [];
await context.exposeBinding("reportRefusal", (_source, directive, blocked) => refused.push(`${directive}: ${blocked}`));
await context.addInitScript(() => {
  document.addEventListener("securitypolicyviolation", (event) => {
    window.reportRefusal(event.effectiveDirective, event.blockedURI);
  });
});
context.on("weberror", (fault) => faults.push(fault.error().message));
const page = await context.newPage();

await page.goto(`${site}/login`);
await page.getByRole("button", { name: "Sign in", exact: true }).waitFor();
await page.evaluate((value) => localStorage.setItem("session", JSON.stringify(value)), session);

await page.goto(site);
const composer = page.getByRole("textbox", { name: "Message", exact: true });
await composer.fill(question);
await composer.press("Enter");
const answer = page.locator('article[aria-label="Answer"][data-live="false"]');
await answer.waitFor();
const text = await answer.innerText();
const dangerous = await answer.locator("script, iframe, img, style, object, embed, form").count();

for (const path of ["/purchase-tokens", "/token-history", "/payment-success?purchase_id=none", "/payment-failure", "/auth/callback"]) {
  await page.goto(`${site}${path}`);
  await page.getByRole("heading").first().waitFor();
}
const walked = [...refused];

// Last, something that must be refused: so the list above is empty because nothing was, not because nobody listened.
await page.goto(`${site}/login`);
await page.evaluate(() => {
  const script = document.createElement("script");
  script.textContent = "window.ran = true";
  document.head.append(script);
  return fetch("https://elsewhere.example.com/").catch(() => undefined);
});
// Both are told by events, which come when they come; which ones came is for the test to say.
const directives = () => new Set(refused.slice(walked.length).map((each) => each.split(":")[0]));
for (const end = Date.now() + 60_000; Date.now() < end && directives().size < 2; ) await page.waitForTimeout(50);
const ran = await page.evaluate(() => "ran" in window);
console.log(JSON.stringify({ walked, faults, text, dangerous, provoked: refused.slice(walked.length), ran }));
await browser.close();
