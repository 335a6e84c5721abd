import { citedNumbers, rehypeMarks, splitMarks, withoutHalfMark } from "@/components/markdown/marks"
import { describe, expect, test } from "vitest"

describe("splitMarks", () => {
  test.each([
    ["no marks at all", ["no marks at all"]],
    ["It is so [1].", ["It is so ", [1], "."]],
    ["Both[1][2]", ["Both", [1], [2]]],
    ["Both [1, 2] and [3;4]", ["Both ", [1, 2], " and ", [3, 4]]],
    ["[12]", [[12]]],
    ["not [a], [1.5], [ 1 ], [1234], [] or [^1]", ["not [a], [1.5], [ 1 ], [1234], [] or [^1]"]],
    ["", []],
  ])("%j", (text, pieces) => {
    expect(splitMarks(text)).toEqual(pieces)
  })
})

describe("withoutHalfMark", () => {
  test.each([
    ["It is so [", "It is so "],
    ["It is so [1", "It is so "],
    ["It is so [1,", "It is so "],
    ["It is so [1, 2", "It is so "],
    ["It is so [1][", "It is so [1]"],
    ["It is so [1]", "It is so [1]"],
    ["See [the link", "See [the link"],
    ["Years [1999", "Years [1999"],
  ])("%j shows as %j", (text, shown) => {
    expect(withoutHalfMark(text)).toBe(shown)
  })

  test("whatever arrives, a mark is never shown in part", () => {
    const whole = "First [1], then [2, 13][4] and the end."
    for (let length = 0; length <= whole.length; length += 1) {
      expect(withoutHalfMark(whole.slice(0, length))).not.toMatch(/\[[^\]]*$/)
    }
  })
})

describe("citedNumbers", () => {
  test("each number once, in the order of its first mark", () => {
    expect(citedNumbers("b [2], a [1, 2] and [3]")).toEqual([2, 1, 3])
  })

  test.each([
    "```python\nrows[1]\n```",
    "~~~\nrows [1]\n~~~",
    "```\nstill open [1]",
    "the item `rows[1]` is first",
    "``a ` b [1]`` is code",
  ])("a mark in code is text: %j", (markdown) => {
    expect(citedNumbers(markdown)).toEqual([])
  })

  test("marks before and after code count", () => {
    expect(citedNumbers("a [1]\n\n```\nrows[9]\n```\n\nb [2] `c[8]` d [3]")).toEqual([1, 2, 3])
  })
})

describe("rehypeMarks", () => {
  const element = (tagName: string, children: unknown[], properties = {}) => ({ type: "element", tagName, properties, children })
  const text = (value: string) => ({ type: "text", value })
  const mark = (number: number, properties = {}) => element("citation-mark", [], { number, ...properties })
  const run = (...children: unknown[]) => {
    const tree = { type: "root", children }
    rehypeMarks()(tree)
    return tree.children
  }

  test("marks in a paragraph become elements", () => {
    expect(run(element("p", [text("so [1, 2]."), element("strong", [text("and [3]")])]))).toEqual([
      element("p", [text("so"), mark(1, { isSpaced: true }), mark(2), text("."), element("strong", [text("and"), mark(3, { isSpaced: true })])]),
    ])
  })

  test("code stays as it is", () => {
    const code = element("pre", [element("code", [text("rows[1]")])])
    expect(run(structuredClone(code), element("p", [element("code", [text("rows[1]")])]))).toEqual([
      code,
      element("p", [element("code", [text("rows[1]")])]),
    ])
  })

  test("a link that is only a number is a mark; other links stay", () => {
    const href = "https://example.com/"
    expect(run(element("a", [text("1")], { href }), element("a", [text("see [1]")], { href }))).toEqual([
      mark(1, { href }),
      element("a", [text("see [1]")], { href }),
    ])
  })
})
