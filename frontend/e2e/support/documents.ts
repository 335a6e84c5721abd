import type { Locator, Page } from "@playwright/test"
import { expect, withDatabase } from "./app"

export type TestFile = { name: string; text?: string; bytes?: Buffer; type?: string }

const content = ({ text, bytes }: TestFile) => bytes ?? Buffer.from(text ?? "")

export const documentRows = (page: Page): Locator => page.getByRole("list", { name: "Documents" }).getByRole("listitem")
export const documentRow = (page: Page, title: string | RegExp): Locator => documentRows(page).filter({ has: page.getByRole("link", { name: title }) })
export const uploadRows = (page: Page): Locator => page.getByRole("region", { name: "Uploads" }).getByRole("listitem")

export async function goToDocuments(page: Page): Promise<void> {
  await page.goto("/documents")
  await expect(page.getByRole("heading", { name: "Documents", level: 1 })).toBeVisible()
  // Known limits are what files are checked against.
  await expect(page.getByTestId("summary")).toBeVisible()
}

/** Chooses files as the button's dialog would. */
export async function choose(page: Page, ...files: TestFile[]): Promise<void> {
  await page.getByLabel("Files to upload").first().setInputFiles(
    files.map((file) => ({ name: file.name, mimeType: file.type ?? "text/markdown", buffer: content(file) })),
  )
}

/** Drags files over the page; `drop` lets them go. */
export async function dragOver(page: Page, ...files: TestFile[]): Promise<{ drop: () => Promise<void>; leave: () => Promise<void> }> {
  const transfer = await page.evaluateHandle(
    (dragged) => {
      const data = new DataTransfer()
      for (const { name, text, type } of dragged) data.items.add(new File([text], name, { type }))
      return data
    },
    files.map((file) => ({ name: file.name, text: content(file).toString(), type: file.type ?? "text/markdown" })),
  )
  const main = page.getByRole("main")
  await main.dispatchEvent("dragenter", { dataTransfer: transfer })
  await main.dispatchEvent("dragover", { dataTransfer: transfer })
  return {
    drop: () => main.dispatchEvent("drop", { dataTransfer: transfer }),
    leave: () => main.dispatchEvent("dragleave", { dataTransfer: transfer }),
  }
}

export async function upload(page: Page, file: TestFile): Promise<void> {
  await choose(page, file)
  await expect(page.getByText("1 file uploaded.").first()).toBeVisible()
}

/** Makes an account an operator's, as its owner would in the database. */
export async function makeAdmin(email: string): Promise<void> {
  await withDatabase((client) => client.query("update public.user_profiles set is_admin = true where email = $1", [email]))
}

/** How a document of an account stands, as the worker would leave it. */
export async function setState(email: string, title: string, state: { status: string; code?: string; message?: string }): Promise<void> {
  await withDatabase((client) =>
    client.query(
      `update public.document_metadata set status = $3, error_code = $4, error_message = $5
       where title = $2 and owner_id = (select id from public.user_profiles where email = $1)`,
      [email, title, state.status, state.code ?? null, state.message ?? null],
    ),
  )
}

/** Lets a document of an account, or a shared one, be as large as one of so many passages. */
export async function setPassageCount(title: string, passages: number): Promise<void> {
  await withDatabase((client) => client.query("update public.document_metadata set chunk_count = $2 where title = $1", [title, passages]))
}

/** Stores a document without a file, already read: one passage a page. The worker of the stack leaves it as it is. */
export async function storeDocument(email: string, title: string, passages: readonly string[], details: { url?: string } = {}): Promise<string> {
  return withDatabase(async (client) => {
    const stored = await client.query<{ id: string }>(
      `insert into public.document_metadata
         (id, title, url, source, pipeline_id, mime_type, status, chunk_count, page_count, indexed_at, owner_id)
       select gen_random_uuid()::text, $2, $4, 'local', 'of-another-worker', 'text/markdown', 'indexed', $3, $3, now(), id
       from public.user_profiles where email = $1 returning id`,
      [email, title, passages.length, details.url ?? null],
    )
    const id = stored.rows[0]?.id ?? ""
    let start = 0
    for (const [index, text] of passages.entries()) {
      await client.query(
        `insert into public.documents (document_id, content, chunk_index, page, char_start, char_end, heading_path, metadata)
         values ($1, $2, $3, $4, $5, $6, $7, '{}')`,
        [id, text, index, index + 1, start, start + text.length, `Part ${index + 1}`],
      )
      start += text.length + 2
    }
    return id
  })
}

/** Changes a document, so that it holds none of its passages any more. */
export async function replacePassages(documentId: string): Promise<void> {
  await withDatabase((client) => client.query("delete from public.documents where document_id = $1", [documentId]))
}

/** Indexes a document anew: the same passages under other ids. */
export async function renumberPassages(documentId: string): Promise<void> {
  await withDatabase((client) => client.query("update public.documents set id = default where document_id = $1", [documentId]))
}
