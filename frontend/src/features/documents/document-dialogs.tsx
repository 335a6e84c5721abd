import { Button } from "@/components/ui/button"
import { ConfirmCancel, ConfirmDialog } from "@/components/ui/dialog"
import { deletionWords, sharingWait } from "@/features/documents/document-words"
import { useDocumentActions } from "@/features/documents/use-document-actions"
import type { Document } from "@/lib/api/types"
import type { ReactNode } from "react"

type DialogProps = { document: Document; onClose: () => void; onDone: () => void }

type QuestionProps = {
  title: string
  description: string
  keep: string
  act: ReactNode
  error: Error | null
  /** Under way and no longer to be called off: how long it takes. */
  wait?: string | null
  onClose: () => void
}

function Question({ title, description, keep, act, error, wait = null, onClose }: QuestionProps) {
  return (
    <ConfirmDialog
      isOpen
      onOpenChange={(isOpen) => {
        if (!isOpen && wait === null) onClose()
      }}
      title={title}
      description={description}
      actions={
        <>
          <ConfirmCancel asChild>
            <Button disabled={wait !== null}>{keep}</Button>
          </ConfirmCancel>
          {act}
        </>
      }
    >
      {wait === null ? null : (
        <p role="status" className="mt-3 text-sm text-ink-soft">
          {wait}
        </p>
      )}
      {error ? (
        <p role="alert" className="mt-3 text-sm text-danger">
          {error.message}
        </p>
      ) : null}
    </ConfirmDialog>
  )
}

export function DeleteDialog({ document, onClose, onDone }: DialogProps) {
  const { remove } = useDocumentActions()
  return (
    <Question
      title="Delete this document?"
      description={`${deletionWords(document)} New answers no longer use it; answers already given stay.`}
      keep="Keep it"
      error={remove.error}
      onClose={onClose}
      act={
        <Button look="danger" disabled={remove.isPending} onClick={() => remove.mutate(document, { onSuccess: onDone })}>
          {remove.isPending ? "Deleting…" : "Delete"}
        </Button>
      }
    />
  )
}

export function ShareDialog({ document, onClose, onDone }: DialogProps) {
  const { share } = useDocumentActions()
  const isShared = !document.is_shared
  return (
    <Question
      title={isShared ? "Share with everyone?" : "Stop sharing this document?"}
      description={
        isShared
          ? `Everyone with an account here will be able to find and read “${document.title}”, and get answers from it.`
          : `“${document.title}” will only be found and read by whoever uploaded it. Answers already given keep what they quote.`
      }
      keep={isShared ? "Keep it private" : "Keep it shared"}
      error={share.error}
      wait={share.isPending ? sharingWait(document) : null}
      onClose={onClose}
      act={
        <Button look="primary" disabled={share.isPending} onClick={() => share.mutate({ document, isShared }, { onSuccess: onDone })}>
          {share.isPending ? "Working…" : isShared ? "Share" : "Stop sharing"}
        </Button>
      }
    />
  )
}
