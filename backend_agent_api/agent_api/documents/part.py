"""Uploads as a part of the application: opened and closed with it."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from agent_api.background import running_jobs
from agent_api.database import Database
from agent_api.documents.errors import FileTooLarge
from agent_api.documents.limits import upload_limits
from agent_api.documents.routes import DOCUMENTS_PATH
from agent_api.documents.storage import PostgresStorage
from agent_api.documents.supabase_storage import open_supabase_storage
from agent_api.documents.sweep import keep_swept
from agent_api.documents.uploads import Uploads
from agent_api.middleware import BodyLimitOf
from agent_api.seats import Seats
from agent_api.settings import Settings


def upload_body_limit(settings: Settings) -> BodyLimitOf:
    """Uploads are larger than any other body."""
    limits = upload_limits(settings)
    return BodyLimitOf("POST", DOCUMENTS_PATH, limits.body_max_bytes, FileTooLarge(limits.too_large_message))


@asynccontextmanager
async def open_uploads(settings: Settings, database: Database) -> AsyncGenerator[Uploads]:
    """Uploads in every place that a row may name; the bucket is swept wherever it was ever one of them."""
    async with AsyncExitStack() as stack:
        bucket = await stack.enter_async_context(open_supabase_storage(settings))

        async def sweeping() -> None:
            await keep_swept(
                database,
                bucket,
                in_use=settings.upload_storage == "supabase",
                interval_seconds=settings.upload_sweep_interval_seconds,
                grace_seconds=settings.upload_sweep_grace_seconds,
                share_max=settings.upload_sweep_share_max,
            )

        await stack.enter_async_context(running_jobs(upload_sweep=sweeping))
        yield Uploads(
            database,
            {"postgres": PostgresStorage(), "supabase": bucket},
            kind=settings.upload_storage,
            limits=upload_limits(settings),
            at_once_max=settings.uploads_at_once_max,
            wait_seconds=settings.upload_wait_seconds,
            downloads=Seats(
                per_user_max=settings.downloads_per_user_max,
                per_process_max=settings.downloads_per_process_max,
                message="Too many open downloads.",
            ),
        )
