/** The API's shapes, as its routes document them. */
export type Conversation = {
  session_id: string
  title: string | null
  created_at: string
  last_message_at: string
  is_archived: boolean
  is_running: boolean
}

export type Page<Item> = { items: Item[]; next_cursor: string | null }

export type TurnStatus = "running" | "done" | "stopped" | "failed" | "released"

export type StoredMessage = {
  id: string
  role: "user" | "assistant"
  parts: unknown[]
  metadata: { request_id: string | null; status: TurnStatus | null; created_at: string; reason?: string | null }
  parent_id: string | null
  sibling_ids: string[]
}

export type MessagePage = { items: StoredMessage[]; next_before: string | null; running_request_id: string | null }

export type Profile = {
  id: string
  email: string | null
  full_name: string | null
  is_admin: boolean
  tokens: number
  created_at: string
}

export type Transaction = {
  id: string
  type: string
  tokens: number
  balance_after: number | null
  created_at: string
  request_id: string | null
  session_id: string | null
}
