import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

export default defineConfig({
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  test: {
    include: ["src/**/*.test.{ts,tsx}"],
    environment: "node",
    setupFiles: ["src/testing/browser-events.ts"],
    restoreMocks: true,
    // For what never ends: the API's types alone take seconds to make on a busy machine.
    testTimeout: 60_000,
  },
})
