import { Logo } from "@/components/logo"

/** Instead of the site, when neither its build nor its server gave it an address it needs. */
export function ConfigProblem({ problems }: { problems: string[] }) {
  return (
    <main className="grid h-full place-items-center px-5">
      <div className="max-w-lg">
        <Logo className="mb-8" />
        <h1 className="font-serif text-3xl font-medium tracking-tight">This site is not set up yet</h1>
        <p className="mt-3 text-ink-soft">It lacks settings that it needs. Set these and start it again, or build it with them:</p>
        <ul className="mt-4 list-disc space-y-1 pl-5">
          {problems.map((problem) => (
            <li key={problem}>
              <code className="font-mono text-sm">{problem}</code>
            </li>
          ))}
        </ul>
      </div>
    </main>
  )
}
