/** Where to go after signing in: a path of this site, never another host's. */
export function safeNext(next: string | null): string {
  if (!next?.startsWith("/")) return "/"
  // "//host", "/\host" and control characters that browsers drop all lead away.
  const base = "http://site.invalid"
  if (!URL.canParse(next, base)) return "/"
  const url = new URL(next, base)
  if (url.origin !== base || url.pathname.startsWith("//") || url.pathname.startsWith("/login")) return "/"
  return url.pathname + url.search
}

export function loginPath(next: string, isExpired: boolean): string {
  const query = new URLSearchParams()
  if (next !== "/") query.set("next", next)
  if (isExpired) query.set("expired", "1")
  const text = query.toString()
  return text === "" ? "/login" : `/login?${text}`
}
