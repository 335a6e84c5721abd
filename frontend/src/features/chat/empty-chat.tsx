import { productName } from "@/lib/product"

const SUGGESTIONS = ["What can you help me with?", "Which documents can you search?", "Summarise the newest document"]

/** The first thing people see: what this is for, and three ways to begin. */
export function EmptyChat({ name, onPick }: { name: string | null; onPick: (text: string) => void }) {
  return (
    <div className="mx-auto flex h-full max-w-2xl flex-col justify-center px-5 pb-10">
      <h1 className="font-serif text-[1.9rem] leading-tight font-medium tracking-tight text-balance sm:text-4xl">
        {name ? `Hello ${name}, what would you like to know?` : "What would you like to know?"}
      </h1>
      <p className="mt-3 max-w-lg text-base text-ink-soft">
        {productName} answers from your organisation&apos;s documents. Each question costs one token.
      </p>
      <ul className="mt-7 flex flex-col items-start gap-2 sm:flex-row sm:flex-wrap" aria-label="Suggestions">
        {SUGGESTIONS.map((suggestion) => (
          <li key={suggestion}>
            <button
              type="button"
              onClick={() => onPick(suggestion)}
              className="rounded-full border border-line bg-surface px-4 py-2 text-left text-ink-soft transition-colors hover:border-line-strong hover:text-ink"
            >
              {suggestion}
            </button>
          </li>
        ))}
      </ul>
    </div>
  )
}
