import { adviceFor, count, deletionWords, isPlainText, kindOf, noTextWords, sharingWait } from "@/features/documents/document-words"
import { expect, test } from "vitest"

const failed = (code: string, source: "upload" | "local" = "upload", isQuarantined = false) => ({
  error: { code, message: "It did not work." },
  source,
  is_quarantined: isQuarantined,
})

test("what can be done depends on who holds the file", () => {
  expect(adviceFor(failed("encrypted"))).toBe("Save it without the password and upload it again.")
  expect(adviceFor(failed("encrypted", "local"))).toBe("Save it without the password; it is then read by itself.")
})

test("what is missing of a document that is ready has advice of its own", () => {
  expect(adviceFor(failed("needs_vision", "local"))).toBe("A version whose text can be selected would be read.")
})

test("an unknown fault is tried again, until it is given up", () => {
  expect(adviceFor(failed("embedding_unavailable"))).toBe("It is tried again by itself.")
  expect(adviceFor(failed("constructor", "upload", true))).toBe("It is not tried again until it changes.")
  expect(adviceFor({ error: null, source: "upload", is_quarantined: false })).toBeNull()
})

test("text is only promised of a document that is still to be read", () => {
  expect(noTextWords("pending")).toBe(noTextWords("indexing"))
  expect(noTextWords("failed")).not.toMatch(/yet/)
  expect(noTextWords("not_indexed")).not.toMatch(/yet/)
})

test("nothing is said of an uploaded file where there is none", () => {
  expect(deletionWords({ title: "Plan", source: "upload", is_shared: false })).toBe("“Plan” and the uploaded file will be gone for good.")
  expect(deletionWords({ title: "Plan", source: "local", is_shared: true })).toBe(
    "Where “Plan” came from is not connected any more. It will be gone from here for everyone.",
  )
})

test("only sharing a large document takes time", () => {
  expect([0, 999].map((chunks) => sharingWait({ chunk_count: chunks }))).toEqual([null, null])
  expect(sharingWait({ chunk_count: 1_000 })).toMatch(/a few minutes/)
})

test.each([
  ["application/pdf", "x", "PDF"],
  ["application/vnd.openxmlformats-officedocument.wordprocessingml.document", null, "Text document"],
  ["application/vnd.openxmlformats-officedocument.presentationml.presentation", null, "Slides"],
  ["text/csv", null, "Table"],
  ["text/markdown", null, "Markdown"],
  ["text/plain", null, "Text"],
  [null, "notes.xyz", "XYZ"],
  [null, null, ""],
])("%s named %s is %j", (mimeType, fileName, kind) => {
  expect(kindOf({ mime_type: mimeType, file_name: fileName })).toBe(kind)
})

test("line breaks of plain text are kept", () => {
  expect(isPlainText("text/plain; charset=utf-8")).toBe(true)
  expect(isPlainText("application/json")).toBe(true)
  expect(isPlainText("text/markdown")).toBe(false)
  expect(isPlainText(null)).toBe(false)
})

test("counts agree with their noun", () => {
  expect([count(1, "page"), count(0, "page"), count(1234, "passage")]).toEqual(["1 page", "0 pages", "1,234 passages"])
})
