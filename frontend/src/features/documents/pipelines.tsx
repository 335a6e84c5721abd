import { sourceWords } from "@/features/documents/document-words"
import type { Pipeline } from "@/lib/api/types"
import { formatAgo } from "@/lib/dates"
import { CircleAlert, CircleCheck } from "lucide-react"

const types: Partial<Record<string, string>> = { local: sourceWords.local, local_files: sourceWords.local, google_drive: sourceWords.google_drive }

function PipelineRow({ pipeline }: { pipeline: Pipeline }) {
  const { error, last_run: lastRun } = pipeline
  return (
    <li className="flex items-start gap-3 border-t border-line py-3">
      {error === null ? (
        <CircleCheck aria-hidden className="mt-1 size-4 shrink-0 text-accent" />
      ) : (
        <CircleAlert aria-hidden className="mt-1 size-4 shrink-0 text-danger" />
      )}
      <div className="min-w-0">
        <p className="break-words">
          {types[pipeline.pipeline_type] ?? pipeline.pipeline_type}{" "}
          <span className="font-mono text-[0.8125rem] text-ink-faint">{pipeline.pipeline_id}</span>
        </p>
        <p className="text-sm text-ink-faint">{lastRun === null ? "Has not run yet" : `Last run ${formatAgo(lastRun)}`}</p>
        {error === null ? null : <p className="mt-1 text-sm break-words text-danger">{error}</p>}
      </div>
    </li>
  )
}

/** For administrators: where documents come from by themselves, and what is wrong there. Open when something is. */
export function Pipelines({ pipelines }: { pipelines: readonly Pipeline[] }) {
  if (pipelines.length === 0) return null
  const failing = pipelines.filter(({ error }) => error !== null).length
  return (
    <details open={failing > 0} className="mb-6 rounded-xl border border-line bg-surface px-4">
      <summary className="cursor-pointer rounded-xl py-3 font-medium">
        Connected folders{" "}
        <span className={failing > 0 ? "text-danger" : "font-normal text-ink-faint"}>
          {failing > 0 ? `${failing} of ${pipelines.length} in trouble` : pipelines.length}
        </span>
      </summary>
      <ul>
        {pipelines.map((pipeline) => (
          <PipelineRow key={pipeline.pipeline_id} pipeline={pipeline} />
        ))}
      </ul>
    </details>
  )
}
