/** An address that may stand behind a link: web only, because documents and models choose it. Null for everything else. */
export function webAddress(address: string | null | undefined): string | null {
  if (!address || !URL.canParse(address)) return null
  const url = new URL(address)
  return url.protocol === "https:" || url.protocol === "http:" ? url.href : null
}
