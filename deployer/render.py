"""What the services on Render are given: the `envVars` of render.yaml."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deployer.settings import settings_of
from deployer.settings.model import API, CONDITIONS, SITE, WORKER, Reader, Setting

PATH = Path("render.yaml")


@dataclass(frozen=True)
class Service:
    """What one service gets besides what it does not start without; that is asked for."""

    readers: tuple[Reader, ...]
    values: Mapping[str, str] = field(default_factory=dict[str, str])
    """Where Render differs from the defaults of the code."""
    asked: tuple[str, ...] = ()
    """Asked for when the Blueprint is made; each of them may be left empty."""
    of_render: Mapping[str, str] = field(default_factory=dict[str, str])
    """Read by Render, not by us."""
    reasons: Mapping[str, str] = field(default_factory=dict[str, str])


SOURCE = "agent-api"
"""What it is given, the others that read it too take from there."""
SERVICES = {
    SOURCE: Service(
        (Reader.SERVER, API),
        {
            # Render stops a process after 300 seconds at the latest.
            "UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN": "290",
            "SHUTDOWN_GRACE_SECONDS": "280",
            "MODEL_DEADLINE_SECONDS": "270",
            "ENVIRONMENT": "production",
            "DATABASE_POOL_MAX_SIZE": "10",
            "DATABASE_START_DEADLINE_SECONDS": "300",
            "LLM_PROVIDER": "openai",
            "LLM_CHOICE": "gpt-4o-mini",
            "EMBEDDING_PROVIDER": "openai",
            "EMBEDDING_MODEL_CHOICE": "text-embedding-3-small",
            "UPLOAD_STORAGE": "supabase",
        },
        asked=("FRONTEND_URL", "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"),
        of_render={"PORT": "8001"},
        reasons={
            "PORT": "Where Render's balancer looks for the service.",
            "DATABASE_POOL_MAX_SIZE": "Times maxInstances, and the jobs: what the database or its pooler must admit.",
        },
    ),
    "migrate": Service((Reader.MIGRATE,)),
    "rag-pipeline": Service(
        (WORKER,),
        {
            "ENVIRONMENT": "production",
            "RAG_PIPELINE_TYPE": "google_drive",
            "RUN_MODE": "single",
            "RAG_EXTRACT_PROCESSES": "1",
            "RAG_EXTRACT_MEMORY_MAX_BYTES": "1073741824",
            "DATABASE_POOL_MAX_SIZE": "6",
        },
        asked=("RAG_WATCH_FOLDER_ID", "GOOGLE_DRIVE_CREDENTIALS_JSON"),
        reasons={"RAG_EXTRACT_MEMORY_MAX_BYTES": "The instance has 2 GB."},
    ),
    "frontend": Service(
        (SITE,),
        of_render={"NODE_VERSION": "24"},
        reasons={"VITE_AGENT_ENDPOINT": "https://<the API's public name>/api/pydantic-agent"},
    ),
}


def with_variables(blueprint: str) -> str:
    """The text of render.yaml with the variables of each service written anew."""
    for name, service in SERVICES.items():
        block = re.compile(rf"(?m)^(    name: {name}\n(?:    .*\n)*?    envVars:\n)(?:      .*\n)+")
        text = "".join(f"      {line}\n" for line in _lines(name, service))
        blueprint, count = block.subn(lambda found, text=text: found[1] + text, blueprint, count=1)
        assert count == 1, f"{name} has no envVars"
    return blueprint


def _lines(name: str, service: Service) -> Iterator[str]:
    read = {setting.name: setting for reader in service.readers for setting in settings_of(reader)}
    unknown = {*service.values, *service.asked} - read.keys()
    assert not unknown, f"{name} does not read {unknown}"
    for key, value in service.of_render.items():
        yield from _variable(service, key, f"value: {_quoted(value)}")
    for key, setting in read.items():
        if key in service.values:
            yield from _variable(service, key, f"value: {_quoted(service.values[key])}")
        elif name != SOURCE and key in _given_by_source():
            yield f"- key: {key}"
            yield f"  fromService: {{ type: web, name: {SOURCE}, envVarKey: {key} }}"
        elif key in service.asked or _is_needed(setting, service):
            yield from _variable(service, key, "sync: false")


def _variable(service: Service, key: str, source: str) -> Iterator[str]:
    if key in service.reasons:
        yield f"# {service.reasons[key]}"
    yield f"- {{ key: {key}, {source} }}"


def _quoted(value: str) -> str:
    return f'"{value}"' if value.isdigit() else value


def _given_by_source() -> set[str]:
    """What it has for sure: Render may refuse to hand on what was left empty."""
    source = SERVICES[SOURCE]
    read = (setting for reader in source.readers for setting in settings_of(reader))
    return {setting.name for setting in read if setting.name in source.values or _is_needed(setting, source)}


def _is_needed(setting: Setting, service: Service) -> bool:
    if setting.required:
        return CONDITIONS[setting.required](service.values)
    return bool(set(service.readers) & set(setting.required_by))
