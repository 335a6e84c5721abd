"""What can be set from outside; every default suits the embedded stack."""

import os
from dataclasses import dataclass

CHAT_MODEL = "offline-demo"
EMBEDDING_MODEL = "all-minilm-l6-v2"

# Limits on what one request may ask for.
BODY_BYTES_MAX = 32 * 1024 * 1024
MARK_CHUNKS_MAX = 10_000
MARK_PAUSE_MS_MAX = 60_000
EMBEDDING_INPUTS_MAX = 2048
# A long answer is cut into larger pieces instead of taking minutes.
ANSWER_PIECES_MAX = 400


@dataclass(frozen=True)
class Settings:
    """Read once at start."""

    chunk_pause_ms: int
    embedding_threads: int


def settings_from_environment() -> Settings:
    """Read the environment; raises SystemExit naming every variable that is no whole number in its range."""
    faults: list[str] = []

    def whole_number(name: str, default: int, lowest: int, highest: int) -> int:
        text = os.environ.get(name, "").strip()
        if not text:
            return default
        if text.isascii() and text.isdigit() and lowest <= int(text) <= highest:
            return int(text)
        faults.append(f"{name} must be a whole number from {lowest} to {highest}, not {text!r}")
        return default

    settings = Settings(
        chunk_pause_ms=whole_number("DEMO_MODEL_CHUNK_MS", 15, 0, MARK_PAUSE_MS_MAX),
        embedding_threads=whole_number("DEMO_MODEL_EMBEDDING_THREADS", min(2, os.cpu_count() or 1), 1, 64),
    )
    if faults:
        raise SystemExit("demo model: " + "; ".join(faults))
    return settings
