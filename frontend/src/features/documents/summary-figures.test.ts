import { figuresOf } from "@/features/documents/summary-figures"
import { expect, test } from "vitest"

test("documents that are read anew are ready all the same", () => {
  const counts = { pending: 4, indexing: 1, indexed: 0, failed: 0, not_indexed: 0 }
  expect(figuresOf({ counts, searchable_count: 5, chunk_count: 60, last_sync_at: null })).toEqual(["5 documents ready", "60 passages", "5 on the way"])
})
