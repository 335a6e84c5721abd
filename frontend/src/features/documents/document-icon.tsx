import { kindOf } from "@/features/documents/document-words"
import type { Document } from "@/lib/api/types"
import { BookOpen, Braces, File, FileText, Globe, Image, Presentation, Sheet, type LucideIcon } from "lucide-react"

const icons: Partial<Record<string, LucideIcon>> = {
  PDF: FileText,
  "Text document": FileText,
  Table: Sheet,
  Slides: Presentation,
  Markdown: FileText,
  "Web page": Globe,
  JSON: Braces,
  Book: BookOpen,
  Image,
  Text: FileText,
}

export function DocumentIcon({ document }: { document: Document }) {
  const Icon = icons[kindOf(document)] ?? File
  return (
    <span aria-hidden className="grid size-9 shrink-0 place-items-center rounded-lg bg-hover text-ink-soft [&>svg]:size-[1.1rem]">
      <Icon />
    </span>
  )
}
