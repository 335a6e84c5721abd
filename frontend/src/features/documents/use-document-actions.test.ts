import { useDocumentActions } from "@/features/documents/use-document-actions"
import { allDocuments } from "@/lib/api/documents"
import type { Document } from "@/lib/api/types"
import { QueryClient, QueryClientProvider } from "@tanstack/react-query"
import { createElement } from "react"
import { renderToString } from "react-dom/server"
import { expect, test } from "vitest"

function actionsOf(client: QueryClient): ReturnType<typeof useDocumentActions> {
  const found: ReturnType<typeof useDocumentActions>[] = []
  function Probe() {
    found.push(useDocumentActions())
    return null
  }
  renderToString(createElement(QueryClientProvider, { client }, createElement(Probe)))
  const [actions] = found
  if (!actions) throw new Error("nothing was rendered")
  return actions
}

test("documents are read anew also where the reply to a change never came", async () => {
  const client = new QueryClient()
  client.setQueryData(allDocuments.queryKey, [])
  const isOutdated = () => client.getQueryState(allDocuments.queryKey)?.isInvalidated
  expect(isOutdated()).toBe(false)
  // There is no API here, nor an address of one.
  const document = { id: "1" } as Document
  await expect(actionsOf(client).share.mutateAsync({ document, isShared: true })).rejects.toThrow()
  expect(isOutdated()).toBe(true)
})
