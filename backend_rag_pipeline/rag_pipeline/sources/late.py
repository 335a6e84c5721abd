"""A source that could not be opened yet. The worker has more to do than to read it, and its cause may pass."""

from collections.abc import Callable, Mapping

from rag_pipeline.sources.source import (
    Changes,
    ConfigurationError,
    FetchedFile,
    JsonValue,
    Listing,
    Source,
    SourceUnavailable,
)


class LateSource:
    """Tries to open it whenever it is asked for something: credentials may have come meanwhile."""

    def __init__(self, pipeline_type: str, open_now: Callable[[], Source]) -> None:
        self.pipeline_type = pipeline_type
        self._open_now = open_now
        self._source: Source | None = None

    async def check(self) -> None:
        await self._opened().check()

    async def list_all(self) -> Listing:
        return await self._opened().list_all()

    async def changes(self, state: Mapping[str, JsonValue]) -> Changes | None:
        return await self._opened().changes(state)

    async def fetch(self, key: str) -> FetchedFile:
        try:
            source = self._opened()
        except ConfigurationError as error:
            # No document is to blame.
            raise SourceUnavailable(str(error)) from None
        return await source.fetch(key)

    async def close(self) -> None:
        if self._source is not None:
            await self._source.close()

    def _opened(self) -> Source:
        if self._source is None:
            self._source = self._open_now()
        return self._source
