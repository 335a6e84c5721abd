import { beginsAsCited, citationsOf, nameOf, copyTextOf, splitByUse, webSourcesOf } from "@/features/chat/citations"
import type { ChatMessage } from "@/features/chat/messages"
import { expect, test } from "vitest"

type Passage = { text_page?: unknown; char_start?: unknown; excerpt?: unknown; number?: unknown; url?: unknown; page?: unknown; title?: string }

function source(id: string, { title = `Document ${id}`, ...passage }: Passage = {}): ChatMessage["parts"][number] {
  return {
    type: "source-document",
    sourceId: id,
    mediaType: "text/plain",
    title,
    providerMetadata: { passage: { document_id: `d${id}`, ...passage } as never },
  }
}

function answer(text: string, ...sources: ChatMessage["parts"]): ChatMessage {
  return { id: "2", role: "assistant", parts: [...sources, { type: "text", text }] }
}

const numbers = (found: { number: number | null }[]) => found.map(({ number }) => number)

test("passages come by number, each once", () => {
  const message = answer("", source("30", { number: 2 }), source("10", { number: 1 }), source("30", { number: 2 }))
  expect(citationsOf(message).map(({ chunkId }) => chunkId)).toEqual(["10", "30"])
})

test("what was read but not mentioned is set apart", () => {
  const message = answer("So it is [3], says [1] too.", source("1", { number: 1 }), source("2", { number: 2 }), source("3", { number: 3 }))
  const { cited, uncited } = splitByUse(message, citationsOf(message))
  expect(numbers(cited)).toEqual([1, 3])
  expect(numbers(uncited)).toEqual([2])
})

test("a number without a passage cites nothing", () => {
  const message = answer("Said in [7].", source("1", { number: 1 }))
  expect(splitByUse(message, citationsOf(message)).cited).toEqual([])
})

test("answers from before marks have passages without numbers", () => {
  const message = answer("No marks, but array[1].", source("1"), source("2"))
  const { cited, uncited } = splitByUse(message, citationsOf(message))
  expect(cited).toEqual([])
  expect(numbers(uncited)).toEqual([null, null])
})

test("whatever stands in a source, only web addresses and sound numbers come out", () => {
  const hostile = source("1", { number: "1", url: "javascript:alert(1)", page: { toString: "x" } })
  expect(citationsOf(answer("", hostile))).toMatchObject([{ number: null, url: null, page: null, documentId: "d1" }])
  const bare: ChatMessage["parts"][number] = { type: "source-document", sourceId: "9", mediaType: "text/plain", title: "" }
  expect(citationsOf(answer("", bare))).toMatchObject([{ title: "Untitled document", documentId: null }])
})

test("what finds a passage again comes along", () => {
  const [kept, broken] = citationsOf(answer("", source("1", { char_start: 70, excerpt: "It begins" }), source("2", { char_start: -1 })))
  expect(kept).toMatchObject({ charStart: 70, excerpt: "It begins" })
  expect(broken).toMatchObject({ charStart: null, excerpt: null })
})

test("a part of the whole text is cited as such", () => {
  const [read] = citationsOf(answer("[1]", source("d1:text:2", { number: 1, text_page: 2, title: "Handbook" })))
  expect(read).toMatchObject({ part: 2, page: null, documentId: "dd1:text:2" })
  expect(read && nameOf(read)).toBe("Handbook, part 2 of its text")
  expect(citationsOf(answer("", source("1", { text_page: "2" })))).toMatchObject([{ part: null }])
})

test("a part that begins otherwise than it was cited has changed", () => {
  expect(beginsAsCited("# One\n\ntwo three", "# One two…")).toBe(true)
  expect(beginsAsCited("# Two\n\ntwo three", "# One two…")).toBe(false)
  expect(beginsAsCited("anything", null)).toBe(true)
})

test("a copied answer says what its marks stand for", () => {
  const message = answer(
    "It is so [1][2].\n",
    source("1", { number: 1, title: "Handbook", page: 3 }),
    source("2", { number: 2, title: "Rules", url: "https://example.com/rules" }),
    source("3", { number: 3 }),
  )
  expect(copyTextOf(message)).toBe("It is so [1][2].\n\nSources\n[1] Handbook, page 3\n[2] Rules (https://example.com/rules)")
  expect(copyTextOf(answer("Just text."))).toBe("Just text.")
})

test("web pages keep their address only when it is one", () => {
  const page = (sourceId: string, url: string): ChatMessage["parts"][number] => ({ type: "source-url", sourceId, url })
  expect(webSourcesOf(answer("", page("a", "https://example.com/"), page("b", "javascript:x")))).toEqual([
    { id: "a", title: "https://example.com/", url: "https://example.com/" },
    { id: "b", title: "javascript:x", url: null },
  ])
})
