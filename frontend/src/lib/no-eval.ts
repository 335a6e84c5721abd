import { z } from "zod"

// zod compiles schemas with `new Function` where it may. The content security policy forbids that, and each attempt would
// be reported as a violation. Imported before anything that holds a schema.
z.config({ jitless: true })
