import { CopyButton } from "@/components/copy-button"
import { highlight, type HighlightedCode } from "@/components/markdown/highlight"
import { useEffect, useState, type ComponentProps } from "react"
import { useIsCodeFenceIncomplete, type ExtraProps } from "streamdown"

type Element = NonNullable<ExtraProps["node"]>

function textOf(node: Element | undefined): string {
  if (!node) return ""
  return node.children
    .map((child) => (child.type === "text" ? child.value : child.type === "element" ? textOf(child) : ""))
    .join("")
}

function languageOf(node: Element | undefined): string {
  const code = node?.children.find((child) => child.type === "element")
  const names = code?.properties.className
  const name = Array.isArray(names) ? names.map(String).find((entry) => entry.startsWith("language-")) : undefined
  return name?.slice("language-".length) ?? ""
}

/** A fenced block: its language, a copy button, and colours once the fence is closed. */
export function CodeBlock({ node }: ComponentProps<"pre"> & ExtraProps) {
  const isIncomplete = useIsCodeFenceIncomplete()
  const code = textOf(node).replace(/\n$/, "")
  const language = languageOf(node)
  const [coloured, setColoured] = useState<{ code: string; content: HighlightedCode } | null>(null)

  useEffect(() => {
    if (isIncomplete || language === "") return
    let isCurrent = true
    void highlight(code, language).then((content) => {
      if (isCurrent && content !== null) setColoured({ code, content })
    })
    return () => {
      isCurrent = false
    }
  }, [code, language, isIncomplete])

  return (
    <figure className="code-block my-4 overflow-hidden rounded-xl border border-line bg-surface" dir="ltr">
      <figcaption className="flex h-9 items-center justify-between border-b border-line pr-1 pl-4 text-xs text-ink-faint">
        <span>{language === "" ? "text" : language}</span>
        <CopyButton text={code} label="Copy code" />
      </figcaption>
      <pre tabIndex={0} className="m-0! overflow-x-auto px-4 py-3.5 font-mono text-[0.845rem] leading-relaxed scroll-quiet">
        <code>{coloured?.code === code ? coloured.content : code}</code>
      </pre>
    </figure>
  )
}
