"""What one person may upload."""

from dataclasses import dataclass

from agent_api.settings import Settings

FORM_BYTES_MAX = 16 * 1024
"""What a form adds to the file in it."""


@dataclass(frozen=True)
class Limits:
    """Per file, and per person over all their uploads."""

    file_max_bytes: int
    documents_max: int
    total_max_bytes: int
    receive_seconds: float

    @property
    def body_max_bytes(self) -> int:
        """A file with its form."""
        return self.file_max_bytes + FORM_BYTES_MAX

    @property
    def too_large_message(self) -> str:
        """The limit, for a person."""
        return f"A file may have at most {self.file_max_bytes / 1024 / 1024:.4g} MiB."


def upload_limits(settings: Settings) -> Limits:
    """The configured limits."""
    return Limits(
        file_max_bytes=settings.upload_file_max_bytes,
        documents_max=settings.uploads_per_user_max,
        total_max_bytes=settings.upload_bytes_per_user_max,
        receive_seconds=settings.upload_receive_timeout_seconds,
    )
