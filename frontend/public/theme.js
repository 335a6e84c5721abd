// Runs before the first paint, so that nobody who chose dark sees a white flash. A file of its own
// because the content security policy allows no inline script. Keys as in src/lib/theme.ts.
;(function () {
  var choice = null
  try {
    choice = localStorage.getItem("theme")
  } catch {
    // Storage may be blocked; the system's setting then decides.
  }
  var dark = choice === "dark" || (choice !== "light" && matchMedia("(prefers-color-scheme: dark)").matches)
  document.documentElement.classList.toggle("dark", dark)
})()
