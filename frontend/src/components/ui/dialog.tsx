import { IconButton } from "@/components/ui/button"
import { cn } from "@/lib/cn"
import { X } from "lucide-react"
import { AlertDialog as RadixAlert, Dialog as RadixDialog } from "radix-ui"
import { useState, type ReactNode } from "react"

const OVERLAY = "fixed inset-0 z-40 bg-black/35 animate-fade dark:bg-black/55"
const PANEL =
  "fixed top-1/2 left-1/2 z-50 w-[calc(100vw-2rem)] max-w-md -translate-x-1/2 -translate-y-1/2 rounded-2xl border border-line bg-surface p-6 shadow-float animate-fade"

type DialogProps = {
  isOpen: boolean
  onOpenChange: (isOpen: boolean) => void
  title: string
  description?: string
  children: ReactNode
}

export function Dialog({ isOpen, onOpenChange, title, description, children }: DialogProps) {
  return (
    <RadixDialog.Root open={isOpen} onOpenChange={onOpenChange}>
      <RadixDialog.Portal>
        <RadixDialog.Overlay className={OVERLAY} />
        <RadixDialog.Content className={PANEL} {...(description ? {} : { "aria-describedby": undefined })}>
          <RadixDialog.Title className="pr-8 font-serif text-xl font-semibold">{title}</RadixDialog.Title>
          {description ? (
            <RadixDialog.Description className="mt-1.5 text-ink-soft">{description}</RadixDialog.Description>
          ) : null}
          <div className="mt-5">{children}</div>
          <RadixDialog.Close asChild>
            <IconButton label="Close" className="absolute top-4 right-4" size="iconSmall">
              <X />
            </IconButton>
          </RadixDialog.Close>
        </RadixDialog.Content>
      </RadixDialog.Portal>
    </RadixDialog.Root>
  )
}

type ConfirmDialogProps = Omit<DialogProps, "children"> & { actions: ReactNode; description: string; children?: ReactNode }

/** What has the focus, or the button of the menu it is in: the menu is gone by the time the focus comes back. */
function opener(): Element | null {
  const focused = document.activeElement
  const button = focused?.closest("[role=menu]")?.getAttribute("aria-labelledby")
  return button ? document.getElementById(button) : focused
}

/** Asks before something that cannot be taken back. The first focus is on the way out. */
export function ConfirmDialog({ isOpen, onOpenChange, title, description, actions, children }: ConfirmDialogProps) {
  const [openedBy] = useState(opener)
  return (
    <RadixAlert.Root open={isOpen} onOpenChange={onOpenChange}>
      <RadixAlert.Portal>
        <RadixAlert.Overlay className={OVERLAY} />
        <RadixAlert.Content
          className={PANEL}
          onCloseAutoFocus={(event) => {
            event.preventDefault()
            // What was asked about may be gone with its button; reading goes on in what was beside it.
            const next = openedBy?.isConnected ? openedBy : document.getElementById("main")
            if (next instanceof HTMLElement) next.focus()
          }}
        >
          <RadixAlert.Title className="font-serif text-xl font-semibold">{title}</RadixAlert.Title>
          <RadixAlert.Description className="mt-2 text-ink-soft">{description}</RadixAlert.Description>
          {children}
          <div className="mt-6 flex flex-wrap justify-end gap-2">{actions}</div>
        </RadixAlert.Content>
      </RadixAlert.Portal>
    </RadixAlert.Root>
  )
}

export const ConfirmCancel = RadixAlert.Cancel

/** A panel that slides in from the left; the sidebar's place on small screens. */
export function Sheet({ isOpen, onOpenChange, title, children }: Omit<DialogProps, "description">) {
  return (
    <RadixDialog.Root open={isOpen} onOpenChange={onOpenChange}>
      <RadixDialog.Portal>
        <RadixDialog.Overlay className={OVERLAY} />
        <RadixDialog.Content
          aria-describedby={undefined}
          className={cn(
            "fixed inset-y-0 left-0 z-50 flex w-[min(20rem,calc(100vw-3rem))] flex-col border-r bg-sidebar shadow-float animate-slide",
          )}
        >
          <RadixDialog.Title className="sr-only">{title}</RadixDialog.Title>
          {children}
        </RadixDialog.Content>
      </RadixDialog.Portal>
    </RadixDialog.Root>
  )
}
