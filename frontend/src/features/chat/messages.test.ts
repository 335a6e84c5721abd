import { mergeNewestPage, questionToSend, withoutRunningAnswer, type ChatMessage } from "@/features/chat/messages"
import type { MessagePage, StoredMessage } from "@/lib/api/types"
import { describe, expect, test } from "vitest"

function stored(id: number, role: "user" | "assistant" = id % 2 === 1 ? "user" : "assistant"): StoredMessage {
  return {
    id: String(id),
    role,
    parts: [{ type: "text", text: `message ${id}` }],
    metadata: { request_id: null, status: "done", reason: null, created_at: "2026-01-01T00:00:00Z" },
    parent_id: id === 1 ? null : String(id - 1),
    sibling_ids: [String(id)],
  }
}

function page(ids: number[], details: Partial<MessagePage> = {}): MessagePage {
  return { items: ids.map((id) => stored(id)), next_before: null, running_request_id: null, ...details }
}

const idsOf = (messages: ChatMessage[]) => messages.map((message) => message.id)
const shown = (ids: number[]) => withoutRunningAnswer(page(ids))

describe("withoutRunningAnswer", () => {
  test("a settled conversation is shown whole", () => {
    expect(idsOf(shown([1, 2, 3, 4]))).toEqual(["1", "2", "3", "4"])
  })

  test("while a turn runs, its answer is left to the stream", () => {
    const running = page([1, 2, 3, 4], { running_request_id: "r" })
    expect(idsOf(withoutRunningAnswer(running))).toEqual(["1", "2", "3"])
  })

  test("a question without an answer yet stays", () => {
    expect(idsOf(withoutRunningAnswer(page([1, 2, 3], { running_request_id: "r" })))).toEqual(["1", "2", "3"])
  })
})

describe("mergeNewestPage", () => {
  test("keeps older pages above a fresh one that they meet", () => {
    const merged = mergeNewestPage(shown([1, 2, 3, 4]), "older", page([3, 4, 5, 6], { next_before: "3" }))
    expect(idsOf(merged.messages)).toEqual(["1", "2", "3", "4", "5", "6"])
    expect(merged.before).toBe("older")
  })

  test("drops what no longer meets the fresh page", () => {
    const merged = mergeNewestPage(shown([1, 2]), null, page([7, 8], { next_before: "7" }))
    expect(idsOf(merged.messages)).toEqual(["7", "8"])
    expect(merged.before).toBe("7")
  })

  test("replaces what was only here by what is stored", () => {
    const local: ChatMessage = { id: "9b2f", role: "user", parts: [] }
    const merged = mergeNewestPage([...shown([1, 2]), local], null, page([1, 2, 3, 4]))
    expect(idsOf(merged.messages)).toEqual(["1", "2", "3", "4"])
  })
})

describe("questionToSend", () => {
  const question: ChatMessage = { id: "local", role: "user", parts: [{ type: "text", text: "next?" }] }

  test("sends the question and which message it follows, not the history", () => {
    expect(questionToSend([...shown([1, 2, 3, 4]), question])).toEqual({ question, parentId: "4" })
  })

  test("the first question follows nothing", () => {
    expect(questionToSend([question])).toEqual({ question, parentId: null })
  })

  test("answering again sends the question that was answered, without what the server knows of it", () => {
    const sent = questionToSend(shown([1, 2, 3]))
    expect(sent).toEqual({ question: { id: "3", role: "user", parts: [{ type: "text", text: "message 3" }] }, parentId: "2" })
  })

  test("an answer that is not stored yet is no parent", () => {
    const local: ChatMessage = { id: "9b2f", role: "assistant", parts: [] }
    expect(questionToSend([local, question])?.parentId).toBeNull()
  })
})
