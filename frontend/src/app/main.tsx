import "@/lib/no-eval"
import "@/index.css"
import { App } from "@/app/app"
import { ConfigProblem } from "@/app/config-problem"
import { configResult } from "@/lib/config"
import { watchTheme } from "@/lib/theme"
import { StrictMode } from "react"
import { createRoot } from "react-dom/client"

const container = document.getElementById("root")
if (!container) throw new Error("index.html has no #root")

watchTheme()
createRoot(container).render(
  <StrictMode>{configResult.ok ? <App /> : <ConfigProblem problems={configResult.problems} />}</StrictMode>,
)
