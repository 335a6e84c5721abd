"""The site: built when something it is made from changed, then served as it would be in production."""

from __future__ import annotations

from pathlib import Path

from local_stack.commands import run_logged
from local_stack.configuration import Configuration
from local_stack.console import Console
from local_stack.node import Node, digest_of
from local_stack.paths import REPOSITORY

FRONTEND = REPOSITORY / "frontend"
VITE = FRONTEND / "node_modules" / "vite" / "bin" / "vite.js"
# What is no part of the page.
NOT_BUILT_FROM = {"node_modules", "dist", "e2e", "test-results", "playwright-report", "coverage", ".vite"}


def build_site(
    node: Node, configuration: Configuration, environment: dict[str, str], console: Console, log: Path
) -> None:
    """`vite build` into the stack's own folder, unless its inputs are those of the last build."""
    target = configuration.workspace.site
    marker = target.with_name("site-inputs")
    inputs = sorted(path for path in FRONTEND.iterdir() if path.name not in NOT_BUILT_FROM)
    digest = digest_of(inputs, repr(sorted(environment.items())))
    if (target / "index.html").exists() and marker.exists() and marker.read_text() == digest:
        return
    with console.step("site build"):
        marker.unlink(missing_ok=True)
        run_logged(
            "site build",
            build_command(node, target),
            log=log,
            cwd=FRONTEND,
            environment=node.environment(environment),
        )
        marker.write_text(digest)


def build_command(node: Node, target: Path) -> list[str | Path]:
    return [*(node.program, VITE, "build"), *("--outDir", target, "--emptyOutDir", "--logLevel", "warn")]


def preview_command(node: Node, configuration: Configuration) -> list[str | Path]:
    return [
        *(node.program, VITE, "preview"),
        *("--outDir", str(configuration.workspace.site), "--host", "127.0.0.1"),
        *("--port", str(configuration.ports["site"].number), "--strictPort"),
    ]
