"""`--type embedded`: from a clean clone to a running product, and back down."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from local_stack import environments, seeding, site
from local_stack.commands import end_running_commands
from local_stack.configuration import ADMIN_EMAIL, DEMO_EMAIL, Configuration, load_configuration
from local_stack.console import Console, StackError
from local_stack.env_files import write_env_file
from local_stack.node import Node, ensure_node, ensure_packages
from local_stack.paths import EMBEDDED_HOME, REPOSITORY, Workspace, relative
from local_stack.postgres.cluster import remove_cluster
from local_stack.processes import (
    AlreadyLocked,
    FileLock,
    end_leftovers,
    load_identities,
    port_is_free,
    wait_until_gone,
)
from local_stack.stack import Stack
from local_stack.supervisor import Supervisor

LEFTOVER_GRACE_SECONDS = 10
# The API may let running answers finish (30 s), then the rest stops.
DOWN_SECONDS_MAX = 90
ENVIRONMENTS_WAIT_SECONDS = 600


def run_foreground(workspace: Workspace, *, fresh: bool = False) -> int:
    """Start the stack, keep it running and stop it on Ctrl-C or SIGTERM. Returns the exit status."""
    console = Console()
    try:
        with only_one(workspace), signals_end_the_run():
            configuration = prepare_workspace(workspace, fresh=fresh)
            with running_stack(configuration, console, announce=_print_summary) as supervisor:
                supervisor.watch()
    except StackError as error:
        return console.fail(str(error))
    except Stopped:
        console.line("stopped")
    return 0


def run_detached(workspace: Workspace, *, fresh: bool) -> int:
    """Start the stack in a process of its own and return once it is healthy, or has failed."""
    workspace.prepare()
    log = workspace.log("supervisor")
    command = [sys.executable, str(REPOSITORY / "deploy.py"), "--type", "embedded", *(["--fresh"] if fresh else [])]
    # Appended to: if a stack is running already, this is its log.
    with log.open("ab") as output:
        before = output.tell()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        with log.open(encoding="utf-8", errors="replace") as lines:
            lines.seek(before)
            while True:
                ended = process.poll() is not None
                sys.stdout.write(lines.read())
                sys.stdout.flush()
                if ended:
                    return process.returncode or 1
                if _ready_pid(workspace) == process.pid:
                    sys.stdout.write(lines.read())
                    return 0
                time.sleep(0.1)
    except KeyboardInterrupt:
        process.send_signal(signal.SIGTERM)
        process.wait()
        return 130


def run_down(workspace: Workspace) -> int:
    """Stop the stack of this workspace, also what a killed supervisor left behind."""
    if not workspace.root.exists():
        print("nothing is running")
        return 0
    identities = load_identities(workspace.processes_file)
    supervisor = next((identity for identity in identities if identity.name == "supervisor"), None)
    if supervisor is not None and supervisor.is_alive():
        os.kill(supervisor.pid, signal.SIGTERM)
    lock = FileLock(workspace.lock_file)
    try:
        lock.acquire(wait_seconds=DOWN_SECONDS_MAX)
    except AlreadyLocked:
        return Console.fail(f"the stack did not stop within {DOWN_SECONDS_MAX} s: see {relative(workspace.logs)}")
    try:
        _end_leftovers(workspace)
        if supervisor is not None:
            # It lets go of the lock a moment before it ends.
            wait_until_gone([supervisor], LEFTOVER_GRACE_SECONDS)
    finally:
        lock.release()
    print("stopped" if identities else "nothing is running")
    return 0


def prepare_workspace(workspace: Workspace, *, fresh: bool, own: Mapping[str, str] | None = None) -> Configuration:
    """Clear what an earlier run left, and read the configuration. The caller holds the workspace's lock.

    `own` replaces the person's `.env`.
    """
    _end_leftovers(workspace)
    if fresh:
        _wipe(workspace)
    workspace.prepare()
    return load_configuration(workspace, own)


@contextmanager
def running_stack(
    configuration: Configuration, console: Console, *, announce: Callable[[Configuration, Console], None] | None = None
) -> Generator[Supervisor]:
    """Set up whatever is missing, start every service, `announce` that, and stop them all at the end."""
    _refuse_taken_ports(configuration)
    node = prepare_environments(configuration, console)
    supervisor = Supervisor(console, configuration.workspace.processes_file)
    try:
        _start_all(configuration, node, supervisor, console)
        if announce is not None:
            announce(configuration, console)
        # `--detach` waits for this file and has then printed all; whoever looks for a running stack finds it.
        configuration.workspace.ready_file.write_text(str(os.getpid()))
        yield supervisor
    finally:
        configuration.workspace.ready_file.unlink(missing_ok=True)
        with _signals_ignored():
            supervisor.stop()


def prepare_environments(configuration: Configuration, console: Console) -> Node:
    """Make the Python environments and install the npm packages; all stacks of this clone share them."""
    log = configuration.workspace.log
    lock = FileLock(EMBEDDED_HOME / "environments.lock")
    try:
        lock.acquire(wait_seconds=ENVIRONMENTS_WAIT_SECONDS)
    except AlreadyLocked:
        raise StackError("another start is still setting up the environments of this clone") from None
    try:
        environments.ensure(environments.TOOLS, console, log("setup-tools"))
        node = ensure_node(console, log("setup-node"))
        frontend, auth = REPOSITORY / "frontend", REPOSITORY / "local_stack" / "auth"
        with ThreadPoolExecutor(max_workers=2) as pool:
            jobs = [
                pool.submit(ensure_packages, node, frontend, "npm packages of the site", console, log("setup-site")),
                pool.submit(environments.ensure, environments.STACK, console, log("setup-stack")),
                pool.submit(environments.ensure, environments.AGENT_API, console, log("setup-agent-api")),
                pool.submit(environments.ensure, environments.RAG_PIPELINE, console, log("setup-rag-pipeline")),
                pool.submit(ensure_packages, node, auth, "npm packages of authentication", console, log("setup-auth")),
            ]
            try:
                for job in jobs:
                    job.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                end_running_commands()
                raise
        return node
    finally:
        lock.release()


def _start_all(configuration: Configuration, node: Node, supervisor: Supervisor, console: Console) -> None:
    stack = Stack(configuration, node)
    database_url = configuration.own.get("DATABASE_URL", "")
    if configuration.own_database:
        seeding.check_own_schema(database_url)
    else:
        console.event("starting Postgres and authentication")
        supervisor.start(stack.postgres())
        cluster = stack.running_cluster()
        database_url = cluster.dsn()
        supervisor.start(stack.auth())
        seeding.apply_schema(cluster, configuration, console)
    services_environment = configuration.service_environment(database_url)
    site_environment = configuration.site_environment(services_environment)
    if not (configuration.own_chat_model and configuration.own_embedding_model):
        console.event("starting the demo model")
        supervisor.start(stack.model())
    if not configuration.own_stripe:
        console.event("starting the Stripe sandbox")
        supervisor.start(stack.stripe())
    if not configuration.own_database:
        seeding.add_sample_documents(configuration)
    configuration.watch_directory.mkdir(parents=True, exist_ok=True)
    site.build_site(node, configuration, site_environment, console, configuration.workspace.log("setup-site"))
    supervisor.wait_until_healthy()
    if not configuration.own_database:
        seeding.create_accounts(stack.running_cluster(), configuration)
    write_env_file(configuration.workspace.env_file, configuration.exported_environment(services_environment))
    console.event("starting the agent API, the ingestion worker and the site")
    supervisor.start(stack.api(services_environment))
    supervisor.start(stack.rag_pipeline(services_environment))
    supervisor.start(stack.site(site_environment))
    supervisor.wait_until_healthy()


def _print_summary(configuration: Configuration, console: Console) -> None:
    simulated: list[str] = []
    if not configuration.own_database:
        simulated.append("Supabase: a local Postgres 16 with pgvector; Supabase Lite for sign-in, no mail is sent")
    if not configuration.own_chat_model:
        simulated.append("the model: an offline demo that quotes what its tools return")
    if not configuration.own_embedding_model:
        simulated.append("embeddings: MiniLM, 384 dimensions, on this machine")
    if not configuration.own_stripe:
        simulated.append(f"Stripe: no money moves; payments and refunds at {configuration.address('stripe')}/sandbox")
    own = sorted(name for name in configuration.own if name in configuration.service_environment(""))
    root = configuration.workspace.root
    console.line()
    console.line(f"Ready after {console.elapsed_seconds:.1f} s:  {configuration.address('site')}")
    if not configuration.own_database:
        console.line(f"  account    {DEMO_EMAIL}  {configuration.secrets.demo_password}")
        console.line(f"  operator   {ADMIN_EMAIL}  {configuration.secrets.admin_password}")
    console.line(f"  API        {configuration.address('api')}/docs")
    console.line(f"  documents  {relative(configuration.watch_directory)}/: what lies there, the agent answers from")
    for line in simulated:
        console.line(f"  simulated  {line}")
    if own:
        console.line(f"  from .env  {', '.join(own)}")
    console.line(f"  settings   {relative(root / 'env')}    logs {relative(configuration.workspace.logs)}/")
    console.line("  stop       python3 deploy.py --type embedded --down, or Ctrl-C where it runs in the foreground")


class Stopped(BaseException):
    """A signal asked the stack to stop."""


@contextmanager
def signals_end_the_run() -> Generator[None]:
    def stop(number: int, frame: object) -> None:
        end_running_commands()
        raise Stopped

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def _signals_ignored() -> Generator[None]:
    """A second Ctrl-C must not leave half of the services running."""
    previous = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def only_one(workspace: Workspace) -> Generator[None]:
    lock = FileLock(workspace.lock_file)
    try:
        lock.acquire()
    except AlreadyLocked:
        raise StackError(
            f"a stack is already running or starting in {relative(workspace.root)}: stop it with --down first"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _refuse_taken_ports(configuration: Configuration) -> None:
    for port in configuration.needed_ports():
        if not port_is_free(port.number):
            raise StackError(f"port {port.number} ({port.service}) is taken: set {port.setting} to a free one")


def _end_leftovers(workspace: Workspace) -> None:
    identities = [identity for identity in load_identities(workspace.processes_file) if identity.name != "supervisor"]
    end_leftovers(identities, LEFTOVER_GRACE_SECONDS)
    workspace.processes_file.unlink(missing_ok=True)
    workspace.ready_file.unlink(missing_ok=True)


def _wipe(workspace: Workspace) -> None:
    remove_cluster(workspace.postgres)
    for log in workspace.logs.glob("*"):
        # The supervisor's is what this process itself is writing to.
        if log != workspace.log("supervisor"):
            log.unlink()
    workspace.secrets_file.unlink(missing_ok=True)
    workspace.env_file.unlink(missing_ok=True)
    # SQLite keeps what is not merged yet beside its file.
    for file in workspace.root.glob(f"{workspace.stripe_file.name}*"):
        file.unlink()


def _ready_pid(workspace: Workspace) -> int | None:
    try:
        return int(workspace.ready_file.read_text())
    except (FileNotFoundError, ValueError):
        return None
