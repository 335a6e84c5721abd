import { extensionOf, refusalOf, type Room } from "@/features/documents/upload-checks"
import { expect, test } from "vitest"

const MB = 1024 * 1024
const room: Room = {
  limits: { file_max_bytes: 10 * MB, documents_max: 3, total_max_bytes: 25 * MB, file_extensions: [".markdown", ".md", ".pdf"] },
  usage: { documents: 1, bytes: 2 * MB },
}
const none = { documents: 0, bytes: 0 }

test.each([
  ["Report.PDF", ".pdf"],
  ["archive.tar.gz", ".gz"],
  ["README", ""],
  ["folder.v2/README", ""],
  [".gitignore", ".gitignore"],
])("the extension of %j is %j", (name, extension) => {
  expect(extensionOf(name)).toBe(extension)
})

test("a file that fits is not refused", () => {
  expect(refusalOf({ name: "a.PDF", size: 10 * MB }, room, none)).toBeNull()
})

test.each([
  [{ name: "a.md", size: 0 }, none, "This file is empty."],
  [{ name: "a.exe", size: 5 }, none, "EXE files cannot be read. These can: MD, PDF."],
  [{ name: "README", size: 5 }, none, "Files without an ending cannot be read. These can: MD, PDF."],
  [{ name: "a.pdf", size: 11 * MB }, none, "This file has 11 MB; 10 MB is the most. Splitting it may help."],
  [{ name: "a.pdf", size: 5 }, { documents: 2, bytes: 9 }, "You have as many documents as you may have (3). Delete one to make room."],
  [
    { name: "a.pdf", size: 8 * MB },
    { documents: 1, bytes: 16 * MB },
    "This file has 8 MB, and you have 7 MB of 25 MB left. Delete a document to make room.",
  ],
])("%j with %j waiting", (file, queued, words) => {
  expect(refusalOf(file, room, queued)).toBe(words)
})

test("while the limits are not known, only what can never work is refused", () => {
  expect(refusalOf({ name: "a.exe", size: 5 }, null, none)).toBeNull()
  expect(refusalOf({ name: "a.md", size: 0 }, null, none)).toBe("This file is empty.")
})
