"""The API describes itself completely, and the same way everywhere."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent_api.openapi import render

SERVICE = Path(__file__).resolve().parents[1]
EXPORTED = SERVICE.parent / "frontend" / "openapi.json"
DOCUMENT: dict[str, Any] = json.loads(render())
OPERATIONS = [
    (f"{method.upper()} {path}", operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]


def _has_example(media: dict[str, Any]) -> bool:
    return "example" in media or bool(media.get("examples"))


@pytest.mark.parametrize(("name", "operation"), OPERATIONS, ids=[name for name, _ in OPERATIONS])
def test_every_route_has_a_summary_its_errors_and_an_example(name: str, operation: dict[str, Any]) -> None:
    assert operation["summary"].strip()
    assert operation["description"].strip()
    responses: dict[str, Any] = operation["responses"]
    successes = {status: response for status, response in responses.items() if status.startswith("2")}
    assert successes
    for status, response in successes.items():
        for media in response.get("content", {}).values():
            assert _has_example(media), f"{name} {status} shows no example"
        assert response.get("content") or status in ("202", "204"), f"{name} {status} shows no content"
    refusals = {status: response for status, response in responses.items() if status[0] in "45"}
    assert {"422", "500"} <= set(refusals)
    for status, response in refusals.items():
        for media in response["content"].values():
            assert _has_example(media), f"{name} {status} shows no example"
    if "/api/" in name and "/webhook/" not in name:  # Webhooks are signed instead.
        assert {"401", "503"} <= set(refusals)
        assert operation["security"]


def test_the_description_depends_on_no_environment() -> None:
    written = subprocess.run(
        [sys.executable, "-m", "agent_api.openapi"],
        cwd=SERVICE,
        env={"PATH": "/nowhere", "RATE_LIMIT_REQUESTS": "not-a-number"},
        capture_output=True,
        check=True,
    )
    assert written.stdout.decode() == render()


def test_the_exported_file_is_what_the_code_says() -> None:
    assert EXPORTED.read_text(encoding="utf-8") == render(), "run: python -m agent_api.openapi ../frontend/openapi.json"
