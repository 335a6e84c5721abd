import { Button } from "@/components/ui/button"
import { Link } from "react-router"

export function NotFound() {
  return (
    <div className="grid flex-1 place-items-center px-5">
      <div className="max-w-md text-center">
        <h1 className="font-serif text-3xl font-medium tracking-tight">There is nothing at this address</h1>
        <p className="mt-3 text-ink-soft">The link may be mistyped, or the page has moved.</p>
        <Button asChild className="mt-6">
          <Link to="/">Go to the chat</Link>
        </Button>
      </div>
    </div>
  )
}

/** The last resort: a fault in the site itself. */
export function RouteCrash() {
  return (
    <main role="alert" className="grid h-full place-items-center px-5">
      <div className="max-w-md text-center">
        <h1 className="font-serif text-3xl font-medium tracking-tight">This page broke</h1>
        <p className="mt-3 text-ink-soft">That is our fault. Your conversations and tokens are safe; loading the page again usually helps.</p>
        <Button className="mt-6" look="primary" onClick={() => location.reload()}>
          Load again
        </Button>
      </div>
    </main>
  )
}
