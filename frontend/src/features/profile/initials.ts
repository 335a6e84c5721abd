/** What stands in the round: the first letters of the first two words that have any; names come as people, or forms, wrote them. */
export function initialsOf(name: string | null, email: string): string {
  // By code point, so that a letter outside the basic plane is not cut in half.
  const firsts = (name ?? "").split(/\s+/).flatMap((word) => /[\p{L}\p{N}]/u.exec(word)?.[0] ?? [])
  const [own = "\u2022"] = email
  return (firsts.length > 0 ? firsts.slice(0, 2).join("") : own).toLocaleUpperCase()
}
