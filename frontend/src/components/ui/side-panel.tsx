import { IconButton } from "@/components/ui/button"
import { useMediaQuery } from "@/lib/use-media-query"
import { X } from "lucide-react"
import { Dialog as RadixDialog } from "radix-ui"
import { useEffect, useEffectEvent, useId, useRef, type ReactNode } from "react"

/** From here on there is room for the panel beside the page (Tailwind's xl). */
const HAS_ROOM = "(min-width: 80rem)"

type SidePanelProps = { title: string; actions?: ReactNode; onClose: () => void; children: ReactNode }

const HEADER = "flex h-14 shrink-0 items-center gap-1 border-b border-line pr-3 pl-5"
const BODY = "min-h-0 flex-1 overflow-y-auto overscroll-contain px-5 py-5 scroll-quiet"

/** Beside the page, which stays in use. Escape closes it from everywhere. */
function Beside({ title, actions, onClose, children }: SidePanelProps) {
  const titleId = useId()
  const panel = useRef<HTMLElement>(null)
  useEffect(() => {
    panel.current?.focus()
  }, [])
  const close = useEffectEvent(onClose)
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      // A dialog or menu that stands above takes its Escape first.
      if (event.key === "Escape" && !event.defaultPrevented) close()
    }
    addEventListener("keydown", onKey)
    return () => removeEventListener("keydown", onKey)
  }, [])
  return (
    <aside
      ref={panel}
      tabIndex={-1}
      role="dialog"
      aria-labelledby={titleId}
      className="flex w-[25rem] shrink-0 flex-col border-l bg-surface outline-none animate-fade"
    >
      <div className={HEADER}>
        <h2 id={titleId} className="min-w-0 flex-1 truncate font-medium">
          {title}
        </h2>
        {actions}
        <IconButton label="Close" size="iconSmall" onClick={onClose}>
          <X />
        </IconButton>
      </div>
      <div className={BODY}>{children}</div>
    </aside>
  )
}

function Above({ title, actions, onClose, children }: SidePanelProps) {
  return (
    <RadixDialog.Root
      open
      onOpenChange={(isOpen) => {
        if (!isOpen) onClose()
      }}
    >
      <RadixDialog.Portal>
        <RadixDialog.Overlay className="fixed inset-0 z-40 bg-black/35 animate-fade dark:bg-black/55" />
        <RadixDialog.Content
          aria-describedby={undefined}
          // The panel gives the focus back itself: it knows what opened it.
          onCloseAutoFocus={(event) => event.preventDefault()}
          className="fixed inset-x-0 bottom-0 z-50 flex max-h-[85dvh] min-h-[50dvh] flex-col rounded-t-2xl border-t border-line bg-surface shadow-float outline-none animate-rise sm:inset-y-0 sm:right-0 sm:left-auto sm:max-h-none sm:w-[26rem] sm:rounded-none sm:border-t-0 sm:border-l"
        >
          <div className={HEADER}>
            <RadixDialog.Title className="min-w-0 flex-1 truncate font-medium">{title}</RadixDialog.Title>
            {actions}
            <RadixDialog.Close asChild>
              <IconButton label="Close" size="iconSmall">
                <X />
              </IconButton>
            </RadixDialog.Close>
          </div>
          <div className={BODY}>{children}</div>
        </RadixDialog.Content>
      </RadixDialog.Portal>
    </RadixDialog.Root>
  )
}

/** A panel on the right: beside the page where there is room, above it elsewhere. Whoever opens it takes the focus back. */
export function SidePanel(props: SidePanelProps) {
  return useMediaQuery(HAS_ROOM) ? <Beside {...props} /> : <Above {...props} />
}
