import { toJsxRuntime } from "hast-util-to-jsx-runtime"
import type { ReactElement } from "react"
import { Fragment, jsx, jsxs } from "react/jsx-runtime"

export type HighlightedCode = ReactElement

const CODE_CHARACTERS_MAX = 50_000

type Tree = Parameters<typeof toJsxRuntime>[0]
type Highlighter = { registered: (name: string) => boolean; highlight: (language: string, code: string) => Tree }
let loading: Promise<Highlighter> | undefined

/** The grammars are a third of the bundle and most conversations need none: loaded with the first block. */
async function loadHighlighter(): Promise<Highlighter> {
  const { createLowlight, common } = await import("lowlight")
  return createLowlight(common)
}

/** Colours code as React elements; null when the language is unknown or the code too long to be worth it. */
export async function highlight(code: string, language: string): Promise<HighlightedCode | null> {
  if (code.length > CODE_CHARACTERS_MAX) return null
  try {
    loading ??= loadHighlighter()
    const highlighter = await loading
    if (!highlighter.registered(language)) return null
    return toJsxRuntime(highlighter.highlight(language, code), { Fragment, jsx, jsxs }) as ReactElement
  } catch {
    // The file may fail to load; plain code is readable too, and the next block tries again.
    loading = undefined
    return null
  }
}
