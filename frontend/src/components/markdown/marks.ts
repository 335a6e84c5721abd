import type { ExtraProps } from "streamdown"

/**
 * Numbered marks in an answer: [1], [1][2], [1, 2]. The model writes them as plain text, so they are looked for in text
 * alone and never in code.
 */
const MARK = /\[(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\]/g
/** The end of a text in which a mark may just be arriving. */
const HALF_MARK = /\[(?:\d{1,3}(?:\s*[,;]\s*\d{0,3})*)?\s*$/
export const MARK_TAG = "citation-mark"

type Element = NonNullable<ExtraProps["node"]>
type Child = Element["children"][number]
type Parent = { children: Child[] }

/** Text as it stands, and the numbers of each mark in it, in order. */
export function splitMarks(text: string): (string | number[])[] {
  const pieces: (string | number[])[] = []
  let end = 0
  for (const match of text.matchAll(MARK)) {
    if (match.index > end) pieces.push(text.slice(end, match.index))
    pieces.push((match[1] ?? "").split(/[,;]/).map(Number))
    end = match.index + match[0].length
  }
  if (end < text.length) pieces.push(text.slice(end))
  return pieces
}

/** While an answer grows, half a mark would flicker as a link or as loose brackets: it waits for its other half. */
export function withoutHalfMark(text: string): string {
  return text.replace(HALF_MARK, "")
}

const FENCE = /^ {0,3}(`{3,}|~{3,})[^\n]*\n[\s\S]*?(?:^ {0,3}\1[`~]*[ \t]*$|$(?![\s\S]))/gm
const CODE_SPAN = /(?<!`)(`+)(?!`)[\s\S]*?(?<!`)\1(?!`)/g

/** The numbers that a Markdown text cites, each once, in the order of their first mark. */
export function citedNumbers(markdown: string): number[] {
  const prose = markdown.replace(FENCE, "\n").replace(CODE_SPAN, " ")
  return [...new Set(splitMarks(prose).flatMap((piece) => (typeof piece === "string" ? [] : piece)))]
}

/** `details` says how the mark was written: as a link, or after a blank, which is left out so that it sits at its word. */
function markNode(number: number, details: { href?: string; isSpaced?: boolean }): Element {
  return { type: "element", tagName: MARK_TAG, properties: { number, ...details }, children: [] }
}

function replaceInText(text: string): Child[] {
  const pieces = splitMarks(text)
  return pieces.flatMap((piece, index): Child[] => {
    if (typeof piece === "string") {
      const value = index + 1 < pieces.length ? piece.replace(/ $/, "") : piece
      return value === "" ? [] : [{ type: "text", value }]
    }
    const before = pieces[index - 1]
    const isSpaced = typeof before === "string" && before.endsWith(" ")
    return piece.map((number, place) => markNode(number, isSpaced && place === 0 ? { isSpaced } : {}))
  })
}

/** The number a link consists of: models also write [1](address). */
function numberOfLink(link: Element): number | null {
  const [text] = link.children
  const found = link.children.length === 1 && text?.type === "text" ? /^\[?(\d{1,3})\]?$/.exec(text.value) : null
  return found ? Number(found[1]) : null
}

const LEFT_ALONE = new Set(["code", "pre", "sup", MARK_TAG])

function replaceIn(parent: Parent): void {
  parent.children = parent.children.flatMap((child): Child[] => {
    if (child.type === "text") return replaceInText(child.value)
    if (child.type !== "element" || LEFT_ALONE.has(child.tagName)) return [child]
    if (child.tagName === "a") {
      const number = numberOfLink(child)
      const { href } = child.properties
      return number === null ? [child] : [markNode(number, typeof href === "string" ? { href } : {})]
    }
    replaceIn(child)
    return [child]
  })
}

/** A rehype plugin: marks in the text become elements named `MARK_TAG` with their number. */
export function rehypeMarks() {
  return (tree: unknown): void => replaceIn(tree as Parent)
}
