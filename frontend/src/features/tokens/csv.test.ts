import { toCsv } from "@/features/tokens/csv"
import type { Transaction } from "@/lib/api/types"
import { expect, test } from "vitest"

const entry: Transaction = {
  id: "e1",
  type: "consumption",
  tokens: -1,
  balance_after: 9,
  created_at: "2026-11-21T10:15:00Z",
  request_id: null,
  session_id: "c1",
  purchase_id: null,
  price_minor: null,
  currency: null,
}
const lines = (transactions: Transaction[]) => toCsv(transactions).split("\r\n")

test("an entry is a line; what is unknown stays empty", () => {
  const bought = { ...entry, type: "purchase", tokens: 100, balance_after: null, session_id: null, purchase_id: "p1", price_minor: 550, currency: "usd" }
  expect(lines([entry, bought])).toEqual([
    "\uFEFFTime (UTC),What,Tokens,Balance after,Price,Currency,Purchase,Conversation,Entry",
    "2026-11-21T10:15:00Z,Question asked,-1,9,,,,c1,e1",
    "2026-11-21T10:15:00Z,Tokens bought,100,,5.5,USD,p1,,e1",
    "",
  ])
})

test("a refund shows no price: no such money was paid", () => {
  const refund = { ...entry, type: "refund", tokens: -40, purchase_id: "p1", price_minor: 500, currency: "usd" }
  expect(lines([refund])[1]).toBe("2026-11-21T10:15:00Z,Taken back after a refund,-40,9,,,p1,c1,e1")
})

test.each(["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])("%j is no formula", (text) => {
  expect(toCsv([{ ...entry, session_id: text }])).toContain(`,"'${text}",e1`)
})

test("commas, quotes and line ends stay within their cell", () => {
  expect(toCsv([{ ...entry, session_id: 'a "b", c\nd' }])).toContain(',"a ""b"", c\nd",e1')
})
