import { purchaseQuery } from "@/lib/api/billing"
import type { Purchase } from "@/lib/api/types"
import { ApiError } from "@/lib/errors"
import { useQuery } from "@tanstack/react-query"
import { useEffect, useState } from "react"
import { z } from "zod"

const idSchema = z.guid()
const SLOW_AFTER_MS = 20_000

export type PurchaseState =
  /** No purchase of this person has this id. */
  | { kind: "unknown" }
  | { kind: "loading"; isUnreachable: boolean }
  | { kind: "known"; purchase: Purchase; isUnreachable: boolean }

/** The purchase in the address as the server knows it, asked again until it is paid or closed. */
export function usePurchase(purchaseId: string | null): PurchaseState {
  const isId = idSchema.safeParse(purchaseId).success
  const { data, error } = useQuery({ ...purchaseQuery(purchaseId ?? ""), enabled: isId })
  if (!isId || (error instanceof ApiError && (error.status === 404 || error.status === 422))) return { kind: "unknown" }
  const isUnreachable = error !== null
  return data ? { kind: "known", purchase: data, isUnreachable } : { kind: "loading", isUnreachable }
}

/** Turns true once the page has been waiting for longer than nearly every payment takes. */
export function useIsSlow(): boolean {
  const [isSlow, setIsSlow] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => setIsSlow(true), SLOW_AFTER_MS)
    return () => clearTimeout(timer)
  }, [])
  return isSlow
}
