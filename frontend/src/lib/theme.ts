import { useSyncExternalStore } from "react"

export type ThemeChoice = "light" | "dark" | "system"

const STORAGE_KEY = "theme"
const listeners = new Set<() => void>()

function readChoice(): ThemeChoice {
  try {
    const stored = localStorage.getItem(STORAGE_KEY)
    return stored === "light" || stored === "dark" ? stored : "system"
  } catch {
    return "system"
  }
}

let choice: ThemeChoice = typeof localStorage === "undefined" ? "system" : readChoice()

function apply(): void {
  const dark = choice === "dark" || (choice === "system" && matchMedia("(prefers-color-scheme: dark)").matches)
  document.documentElement.classList.toggle("dark", dark)
}

export function setTheme(next: ThemeChoice): void {
  choice = next
  try {
    if (next === "system") localStorage.removeItem(STORAGE_KEY)
    else localStorage.setItem(STORAGE_KEY, next)
  } catch {
    // Storage may be blocked; the choice then lasts until the page is closed.
  }
  apply()
  listeners.forEach((listener) => listener())
}

/** Follows the system and other tabs. The first paint is public/theme.js's. */
export function watchTheme(): void {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply)
  addEventListener("storage", (event) => {
    if (event.key !== STORAGE_KEY) return
    choice = readChoice()
    apply()
    listeners.forEach((listener) => listener())
  })
}

export function useTheme(): ThemeChoice {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => choice,
  )
}
