import tailwindcss from "@tailwindcss/vite"
import react from "@vitejs/plugin-react"
import { fileURLToPath } from "node:url"
import { defineConfig, loadEnv, type Plugin } from "vite"

const SITE_PORT_DEFAULT = 8082

/**
 * Writes the content security policy into the built page, with the two hosts that the browser may talk to where the
 * build knows them. Built without, they are known to the server that hands out `/config.js`: it sends the whole policy
 * as a header, and a browser obeys both. `frame-ancestors` is ignored in a meta tag: the server sends it.
 */
function contentSecurityPolicy(env: Record<string, string>): Plugin {
  const hosts = [env.VITE_AGENT_ENDPOINT, env.VITE_SUPABASE_URL].flatMap((address) =>
    address && URL.canParse(address) ? [new URL(address).origin] : [],
  )
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    // Radix injects a style element while a dialog locks scrolling.
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self'",
    "manifest-src 'self'",
    `connect-src 'self' ${hosts.length > 0 ? [...new Set(hosts)].join(" ") : "https: http:"}`,
    "base-uri 'none'",
    "form-action 'self'",
  ].join("; ")
  return {
    name: "content-security-policy",
    apply: "build",
    transformIndexHtml: () => [
      { tag: "meta", attrs: { "http-equiv": "Content-Security-Policy", content: policy }, injectTo: "head-prepend" },
    ],
  }
}

export default defineConfig(({ mode }) => {
  const env = loadEnv(mode, process.cwd(), "VITE_")
  const port = Number(process.env.EMBEDDED_FRONTEND_PORT ?? SITE_PORT_DEFAULT)
  return {
    plugins: [react(), tailwindcss(), contentSecurityPolicy(env)],
    resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
    server: { port, strictPort: true },
    preview: { port, strictPort: true },
    build: {
      target: "es2023",
      sourcemap: false,
      chunkSizeWarningLimit: 800,
      // One chunk for both: whoever makes a schema has loaded it, and zod was told before not to try `new Function`.
      rolldownOptions: {
        output: { codeSplitting: { groups: [{ name: "zod", test: /node_modules\/zod\/|lib\/no-eval/ }] } },
      },
    },
  }
})
