"""Events of the file system, as a hint that a look now is worth it. Polling goes on in any case."""

import asyncio
import threading
from collections.abc import AsyncGenerator

import structlog
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

log = structlog.stdlib.get_logger(__name__)

# Not "opened" and "closed_no_write": our own reading would wake us.
CHANGES = frozenset({"created", "modified", "moved", "deleted", "closed"})
STOP_SECONDS_MAX = 5.0


class FolderWatch(FileSystemEventHandler):
    """Watches a folder once `events` is asked for, and again when the folder was replaced."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._observer: BaseObserver | None = None
        self._folder = ""
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed = asyncio.Event()

    async def events(self) -> AsyncGenerator[None]:
        """Yields after something changed; what happens while the caller is busy counts once."""
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._start)
        while True:
            await self._changed.wait()
            self._changed.clear()
            yield

    def follow(self, folder: str) -> None:
        """Say which folder stands at the path now; another one than before is watched anew."""
        with self._lock:
            was, self._folder = self._folder, folder
        if was not in ("", folder) and self._loop is not None:
            self._stop()
            self._start()

    def close(self) -> None:
        self._stop()
        self._loop = None

    def on_any_event(self, event: FileSystemEvent) -> None:
        loop = self._loop
        if event.event_type in CHANGES and loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._changed.set)

    def _start(self) -> None:
        observer = Observer()
        try:
            observer.schedule(self, self._root, recursive=True)
            observer.start()
        except OSError as error:
            # Too many watches, or a file system without events: polling finds everything as well.
            log.warning("folder_not_watched", errno=error.errno)
            return
        with self._lock:
            self._observer = observer

    def _stop(self) -> None:
        with self._lock:
            observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()
            observer.join(STOP_SECONDS_MAX)
