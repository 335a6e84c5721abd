"""What the API and the worker must agree on, as both are installed: each reads an environment of its own."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
ASSIGNMENT = re.compile(r"^#?([A-Z][A-Z0-9_]+)=(.*)$", re.MULTILINE)


def _shown(part: str) -> dict[str, str]:
    """The variables with the defaults that a part's example shows; its tests hold these to the code."""
    return dict(ASSIGNMENT.findall((REPOSITORY / part / ".env.example").read_text(encoding="utf-8")))


API, WORKER = _shown("backend_agent_api"), _shown("backend_rag_pipeline")


@pytest.mark.parametrize(
    "name", ["UPLOAD_STORAGE", "UPLOAD_BUCKET", "EMBEDDING_PROVIDER", "EMBEDDING_BASE_URL", "EMBEDDING_MODEL_CHOICE"]
)
def test_both_services_mean_the_same_by_default(name: str) -> None:
    assert API[name] == WORKER[name]


def test_the_worker_reads_every_file_that_the_api_takes() -> None:
    assert int(API["UPLOAD_FILE_MAX_BYTES"]) <= int(WORKER["RAG_FILE_MAX_BYTES"])
