import { allDocuments, deleteDocument, retryDocument, updateDocument } from "@/lib/api/documents"
import { downloadDocument } from "@/lib/api/upload"
import type { Document } from "@/lib/api/types"
import { ApiError } from "@/lib/errors"
import { saveFile } from "@/lib/save-file"
import { useMutation, useQueryClient } from "@tanstack/react-query"

/** What can be done to a document. Lists and figures are read anew afterwards: what reads as failed may have happened. */
export function useDocumentActions() {
  const client = useQueryClient()
  const refresh = () => client.invalidateQueries(allDocuments)
  const remove = useMutation({
    mutationFn: async (document: Document) => {
      try {
        await deleteDocument(document.id)
      } catch (error) {
        // Deleted meanwhile, in another tab say: that is what was wanted.
        if (!(error instanceof ApiError && error.status === 404)) throw error
      }
    },
    onSettled: refresh,
  })
  const share = useMutation({
    mutationFn: ({ document, isShared }: { document: Document; isShared: boolean }) => updateDocument(document.id, { is_shared: isShared }),
    onSettled: refresh,
  })
  const retry = useMutation({ mutationFn: (document: Document) => retryDocument(document.id), onSettled: refresh })
  const download = useMutation({
    mutationFn: async (document: Document) => saveFile(await downloadDocument(document.id), document.file_name ?? document.title),
  })
  return { remove, share, retry, download }
}
