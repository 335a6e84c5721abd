import { UploadQueue } from "@/features/documents/upload-queue"
import { uploadDocument } from "@/lib/api/upload"
import { useSyncExternalStore } from "react"

/** The uploads of this tab. */
export const uploads = new UploadQueue(uploadDocument)

export function useUploads() {
  return useSyncExternalStore(uploads.subscribe, uploads.snapshot)
}
