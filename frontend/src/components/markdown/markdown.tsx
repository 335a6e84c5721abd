import { CodeBlock } from "@/components/markdown/code-block"
import { MARK_TAG, rehypeMarks, withoutHalfMark } from "@/components/markdown/marks"
import { ImageOff } from "lucide-react"
import { memo, useMemo, type ComponentProps, type ComponentType, type ReactNode } from "react"
import { defaultRehypePlugins, Streamdown, type Components, type ExtraProps } from "streamdown"

/**
 * Answers are written by a model that reads other people's documents, so their Markdown is hostile
 * until shown otherwise: no raw HTML (without rehype-raw it stays text), no scheme but these, and no
 * image is fetched, because its address could carry the conversation away.
 */
const LINK_SCHEMES = new Set(["http:", "https:", "mailto:"])

function safeAddress(address: string | undefined): string | null {
  if (!address || !URL.canParse(address)) return null
  const url = new URL(address)
  return LINK_SCHEMES.has(url.protocol) ? url.href : null
}

function Link({ href, children }: ComponentProps<"a"> & ExtraProps) {
  const address = safeAddress(href)
  if (address === null) return <span>{children}</span>
  return (
    <a href={address} target="_blank" rel="noopener noreferrer nofollow">
      {children}
    </a>
  )
}

function Image({ src, alt }: ComponentProps<"img"> & ExtraProps) {
  const address = safeAddress(typeof src === "string" ? src : undefined)
  const label = alt?.trim() ? alt : "Image"
  return (
    <span className="inline-flex items-center gap-1.5 rounded-md border border-line bg-surface px-2 py-0.5 text-sm text-ink-soft">
      <ImageOff aria-hidden className="size-3.5" />
      {address === null ? label : <Link href={address}>{label}</Link>}
    </span>
  )
}

function Table({ children }: ComponentProps<"table"> & ExtraProps) {
  return (
    // Focusable, so that a wide table can be scrolled by keyboard.
    <div tabIndex={0} role="group" aria-label="Table" className="my-4 overflow-x-auto rounded-lg border border-line scroll-quiet">
      <table>{children}</table>
    </div>
  )
}

function InlineCode({ children }: ComponentProps<"code"> & ExtraProps) {
  return <code className="inline-code">{children}</code>
}

const plain = Object.fromEntries(
  ["h1", "h2", "h3", "h4", "h5", "h6", "p", "ul", "ol", "li", "blockquote", "hr", "strong", "sup", "sub", "thead", "tbody", "tr", "th", "td", "section"].map(
    (tag) => [tag, tag],
  ),
) as Components

const components: Components = {
  ...plain,
  a: Link,
  img: Image,
  table: Table,
  pre: CodeBlock,
  code: InlineCode,
  inlineCode: InlineCode,
}

const rehypePlugins = [defaultRehypePlugins.sanitize, defaultRehypePlugins.harden].filter((plugin) => plugin !== undefined)
const pluginsWithMarks = [...rehypePlugins, rehypeMarks]

/** Shows a numbered mark, which in the text stands behind a blank or not; `children` is how it reads where it means nothing. */
export type MarkComponent = ComponentType<{ number: number; isSpaced: boolean; children: ReactNode }>

/** What the tree holds for a mark: its number, and the address where the model made a link of it. */
function asElement(Mark: MarkComponent) {
  return function MarkElement({ number, href, isSpaced }: Record<string, unknown>) {
    const label = typeof href === "string" ? <Link href={href}>{Number(number)}</Link> : `${isSpaced === true ? " " : ""}[${Number(number)}]`
    return (
      <Mark number={Number(number)} isSpaced={isSpaced === true}>
        {label}
      </Mark>
    )
  }
}

type MarkdownProps = { text: string; isStreaming?: boolean; mark?: MarkComponent }

/** With `mark`, numbers in square brackets are shown by that component. */
export const Markdown = memo(function Markdown({ text, isStreaming = false, mark }: MarkdownProps) {
  const shown = useMemo(() => (mark ? { ...components, [MARK_TAG]: asElement(mark) } : components), [mark])
  return (
    <Streamdown
      className="answer"
      components={shown}
      rehypePlugins={mark ? pluginsWithMarks : rehypePlugins}
      mode={isStreaming ? "streaming" : "static"}
      dir="auto"
      controls={false}
      linkSafety={{ enabled: false }}
    >
      {mark && isStreaming ? withoutHalfMark(text) : text}
    </Streamdown>
  )
})
