import { Button, IconButton } from "@/components/ui/button"
import { X } from "lucide-react"
import { Toast as RadixToast } from "radix-ui"
import { createContext, useCallback, useContext, useMemo, useState, type ReactNode } from "react"

type Toast = { id: number; text: string; undo?: () => void }

const ToastContext = createContext<(text: string, undo?: () => void) => void>(() => undefined)

const SHOWN_FOR_MS = 7_000
const SHOWN_MAX = 3
let nextId = 0

/** Short confirmations of what was just done, with a way back where there is one. Errors stand where they happened. */
export function ToastProvider({ children }: { children: ReactNode }) {
  const [toasts, setToasts] = useState<Toast[]>([])
  const show = useCallback((text: string, undo?: () => void) => {
    nextId += 1
    const toast = { id: nextId, text, undo }
    setToasts((shown) => [...shown, toast].slice(-SHOWN_MAX))
  }, [])
  const remove = (id: number) => setToasts((shown) => shown.filter((toast) => toast.id !== id))
  const context = useMemo(() => show, [show])
  return (
    <ToastContext value={context}>
      <RadixToast.Provider duration={SHOWN_FOR_MS} swipeDirection="up">
        {children}
        {toasts.map((toast) => (
          <RadixToast.Root
            key={toast.id}
            onOpenChange={(isOpen) => {
              if (!isOpen) remove(toast.id)
            }}
            className="flex items-center gap-3 rounded-xl border border-line bg-surface py-2 pr-2 pl-4 shadow-float animate-rise"
          >
            <RadixToast.Description className="min-w-0 flex-1 text-sm">{toast.text}</RadixToast.Description>
            {toast.undo ? (
              <RadixToast.Action altText="Undo" asChild onClick={toast.undo}>
                <Button size="small" look="quiet" className="text-accent">
                  Undo
                </Button>
              </RadixToast.Action>
            ) : null}
            <RadixToast.Close asChild>
              <IconButton label="Dismiss" size="iconSmall">
                <X />
              </IconButton>
            </RadixToast.Close>
          </RadixToast.Root>
        ))}
        <RadixToast.Viewport className="fixed top-16 left-1/2 z-50 flex w-[min(24rem,calc(100vw-2rem))] -translate-x-1/2 flex-col gap-2" />
      </RadixToast.Provider>
    </ToastContext>
  )
}

export function useToast() {
  return useContext(ToastContext)
}
