"""The source that the settings name."""

from pathlib import Path

from rag_pipeline.settings import SERVICE_DIRECTORY, Settings
from rag_pipeline.sources.late import LateSource
from rag_pipeline.sources.local_files import LocalFiles
from rag_pipeline.sources.source import Source, SourceError


def open_source(settings: Settings) -> Source:
    """Reads nothing yet. One that cannot be opened says so when it is asked for something, and tries again."""
    if settings.rag_pipeline_type == "google_drive":
        try:
            return _google_drive(settings)
        except SourceError:
            return LateSource("google_drive", lambda: _google_drive(settings))
    return LocalFiles(
        find_folder(settings.rag_watch_directory),
        file_bytes_max=settings.rag_file_max_bytes,
        files_max=settings.rag_files_max,
    )


def find_folder(folder: Path) -> Path:
    """A relative folder starts where the worker is started, or in the repository where only that has it."""
    beside = SERVICE_DIRECTORY.parent / folder
    return beside if not folder.is_absolute() and not folder.exists() and beside.is_dir() else folder


def _google_drive(settings: Settings) -> Source:
    # Google's library takes a second to import, which a local folder need not wait for.
    from rag_pipeline.sources.google_drive.client import ClientOptions
    from rag_pipeline.sources.google_drive.source import GoogleDriveOptions, GoogleDriveSource

    client = ClientOptions(
        api_endpoint=settings.google_drive_api_endpoint,
        timeout_seconds=settings.google_drive_timeout_seconds,
        deadline_seconds=settings.google_drive_deadline_seconds,
    )
    return GoogleDriveSource(
        GoogleDriveOptions(
            folder_id=settings.rag_watch_folder_id,
            credentials_json=settings.google_drive_credentials_json.get_secret_value(),
            credentials_directory=find_folder(settings.google_credentials_directory),
            file_bytes_max=settings.rag_file_max_bytes,
            files_max=settings.rag_files_max,
            follow_shortcuts=settings.google_drive_follow_shortcuts,
            client=client,
        )
    )
