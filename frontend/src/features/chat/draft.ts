/** Unsent text survives a reload and a forced sign-in, but not the tab. */
const PREFIX = "draft:"

export function readDraft(key: string): string {
  try {
    return sessionStorage.getItem(PREFIX + key) ?? ""
  } catch {
    return ""
  }
}

export function writeDraft(key: string, text: string): void {
  try {
    if (text === "") sessionStorage.removeItem(PREFIX + key)
    else sessionStorage.setItem(PREFIX + key, text)
  } catch {
    // Storage may be blocked or full; the text then lives in the composer alone.
  }
}

/** Forgets a draft that has arrived, unless something else was typed meanwhile. */
export function settleDraft(key: string, sent: string): void {
  if (readDraft(key).trim() === sent) writeDraft(key, "")
}

/** Called on sign-out: the next person at this tab reads nobody's unsent text. */
export function clearDrafts(): void {
  try {
    for (const key of Object.keys(sessionStorage)) {
      if (key.startsWith(PREFIX)) sessionStorage.removeItem(key)
    }
  } catch {
    // Nothing could be stored either.
  }
}
