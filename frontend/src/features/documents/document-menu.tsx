import { IconButton } from "@/components/ui/button"
import { Menu, MenuContent, MenuItem, MenuSeparator, MenuTrigger } from "@/components/ui/menu"
import { useToast } from "@/components/ui/toast"
import { DeleteDialog, ShareDialog } from "@/features/documents/document-dialogs"
import { useDocumentActions } from "@/features/documents/use-document-actions"
import { webAddress } from "@/lib/addresses"
import type { Document } from "@/lib/api/types"
import { Download, Ellipsis, ExternalLink, Lock, RotateCw, Trash2, Users } from "lucide-react"
import { useState } from "react"

type DocumentMenuProps = { document: Document; onDeleted?: () => void }

/** What this person may do to this document; nothing where there is nothing. */
export function DocumentMenu({ document, onDeleted }: DocumentMenuProps) {
  const { retry, download } = useDocumentActions()
  const [asking, setAsking] = useState<"delete" | "share" | null>(null)
  const toast = useToast()
  const original = webAddress(document.url)
  const hasFile = document.source === "upload"
  const tell = (error: Error) => toast(error.message)
  const close = () => setAsking(null)
  if (!hasFile && original === null && !document.can_retry && !document.can_share && !document.can_delete) return null
  return (
    <>
      <Menu>
        <MenuTrigger asChild>
          <IconButton label={`Options for ${document.title}`} size="iconSmall">
            <Ellipsis />
          </IconButton>
        </MenuTrigger>
        <MenuContent align="end">
          {original === null ? null : (
            <MenuItem asChild>
              <a href={original} target="_blank" rel="noopener noreferrer nofollow">
                <ExternalLink aria-hidden /> Open the original
              </a>
            </MenuItem>
          )}
          {hasFile ? (
            <MenuItem onSelect={() => download.mutate(document, { onError: tell })}>
              <Download aria-hidden /> Download
            </MenuItem>
          ) : null}
          {document.can_retry ? (
            <MenuItem onSelect={() => retry.mutate(document, { onError: tell, onSuccess: () => toast("It is read again.") })}>
              <RotateCw aria-hidden /> Read it again
            </MenuItem>
          ) : null}
          {document.can_share ? (
            <MenuItem onSelect={() => setAsking("share")}>
              {document.is_shared ? <Lock aria-hidden /> : <Users aria-hidden />}
              {document.is_shared ? "Stop sharing" : "Share with everyone"}
            </MenuItem>
          ) : null}
          {document.can_delete ? (
            <>
              <MenuSeparator />
              <MenuItem className="text-danger [&_svg]:text-danger" onSelect={() => setAsking("delete")}>
                <Trash2 aria-hidden /> Delete
              </MenuItem>
            </>
          ) : null}
        </MenuContent>
      </Menu>
      {asking === "share" ? (
        <ShareDialog
          document={document}
          onClose={close}
          onDone={() => {
            close()
            toast(document.is_shared ? "No longer shared." : "Everyone can read it now.")
          }}
        />
      ) : null}
      {asking === "delete" ? (
        <DeleteDialog
          document={document}
          onClose={close}
          onDone={() => {
            close()
            toast("Deleted.")
            onDeleted?.()
          }}
        />
      ) : null}
    </>
  )
}
