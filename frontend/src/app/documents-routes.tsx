import { DocumentReader } from "@/features/documents/document-reader"
import { DocumentsPage } from "@/features/documents/documents-page"
import { profileQuery } from "@/lib/api/profile"
import { useQuery } from "@tanstack/react-query"
import { useParams } from "react-router"

export function DocumentsRoute() {
  const { data: profile } = useQuery(profileQuery)
  return <DocumentsPage isAdmin={profile?.is_admin ?? false} />
}

export function DocumentRoute() {
  const { documentId } = useParams()
  return <DocumentReader key={documentId} />
}
