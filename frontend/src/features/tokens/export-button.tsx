import { Button } from "@/components/ui/button"
import { collectTransactions, saveCsv } from "@/features/tokens/export-history"
import type { TransactionFilter } from "@/lib/api/tokens"
import { isAbort } from "@/lib/errors"
import { useMutation } from "@tanstack/react-query"
import { Download } from "lucide-react"
import { useEffect, useRef, useState } from "react"

export function ExportButton({ filter, isDisabled }: { filter: TransactionFilter; isDisabled: boolean }) {
  const [count, setCount] = useState(0)
  const leaving = useRef<AbortController>(null)
  useEffect(() => () => leaving.current?.abort(), [])
  const { mutate, isPending, error } = useMutation({
    mutationFn: async () => {
      setCount(0)
      leaving.current = new AbortController()
      const transactions = await collectTransactions(filter, setCount, leaving.current.signal)
      saveCsv(transactions, `token-history-${new Date().toISOString().slice(0, 10)}.csv`)
    },
  })
  return (
    <div>
      <Button size="small" className="h-9" disabled={isDisabled || isPending} onClick={() => mutate()}>
        <Download aria-hidden />
        {isPending ? `Collecting… ${count.toLocaleString("en")}` : "Download CSV"}
      </Button>
      {error && !isAbort(error) ? (
        <p role="alert" className="mt-1.5 text-sm text-danger">
          {error.message}
        </p>
      ) : null}
    </div>
  )
}
