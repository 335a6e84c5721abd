"""What a running turn has sent: kept in order, read by any number of readers, stored for other replicas."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from uuid import UUID

from pydantic_ai.ui.vercel_ai.response_types import BaseChunk, DoneChunk, TextDeltaChunk

from agent_api.text import clean_json

SDK_VERSION = 7
DONE = "[DONE]"
KEEP_ALIVE = b": keep-alive\n\n"
NUL_ESCAPE = "\\u0000"
SURROGATE_ESCAPE = "\\ud"


def encode_event(seq: int, payload: str) -> bytes:
    """One server-sent event; its id is what `after` takes."""
    return f"id: {seq}\ndata: {payload}\n\n".encode()


def storable_json(payload: str) -> str:
    """JSON that jsonb takes: NUL and lone surrogates, which it does not, are cleaned away."""
    is_suspect = NUL_ESCAPE in payload or SURROGATE_ESCAPE in payload
    return json.dumps(clean_json(json.loads(payload))) if is_suspect else payload


@dataclass
class _JoinedText:
    """Neighbouring deltas of one text part, stored as one row."""

    text_id: str
    first_seq: int
    deltas: list[str] = field(default_factory=list[str])

    def row(self, request_id: UUID) -> str:
        part = {"type": "text-delta", "id": self.text_id, "delta": "".join(self.deltas)}
        return _row(
            request_id,
            first_seq=self.first_seq,
            seq=self.first_seq + len(self.deltas) - 1,
            part=json.dumps(part),
            lengths=json.dumps([len(delta) for delta in self.deltas]),
        )


def _row(request_id: UUID, *, first_seq: int, seq: int, part: str, lengths: str = "null") -> str:
    known = f'"request_id":"{request_id}","first_seq":{first_seq},"seq":{seq}'
    return f'{{{known},"part":{storable_json(part)},"lengths":{lengths}}}'


class EventLog:
    """The events of one turn. Whoever appends looks at `size_bytes`: nothing is dropped here."""

    def __init__(self, request_id: UUID) -> None:
        self._request_id = request_id
        self._encoded: list[bytes] = []
        self._unstored: list[_JoinedText | tuple[int, str]] = []
        self._waiting: set[asyncio.Event] = set()
        self._is_closed = False
        self.size_bytes = 0
        """All events as they are sent, tool inputs and outputs too."""
        self.is_complete = False
        """Whether the end of the stream is in it; without that, the turn ends elsewhere."""

    def __len__(self) -> int:
        """The id of the last event."""
        return len(self._encoded)

    @property
    def has_unstored(self) -> bool:
        """Whether other replicas do not know all of it yet."""
        return bool(self._unstored)

    def append(self, chunk: BaseChunk) -> None:
        """Add one event and wake the readers."""
        seq = len(self._encoded) + 1
        payload = chunk.encode(SDK_VERSION)
        encoded = encode_event(seq, payload)
        self._encoded.append(encoded)
        self.size_bytes += len(encoded)
        last = self._unstored[-1] if self._unstored else None
        if isinstance(chunk, TextDeltaChunk) and chunk.provider_metadata is None:
            if not isinstance(last, _JoinedText) or last.text_id != chunk.id:
                last = _JoinedText(chunk.id, seq)
                self._unstored.append(last)
            last.deltas.append(chunk.delta)
        elif isinstance(chunk, DoneChunk):
            self.is_complete = True
            self._unstored.append((seq, '{"type":"done"}'))
        else:
            self._unstored.append((seq, payload))
        self._wake()

    def close(self) -> None:
        """No further event comes; readers end after what there is."""
        self._is_closed = True
        self._wake()

    def _wake(self) -> None:
        for waiting in self._waiting:
            waiting.set()

    def take_unstored(self) -> str:
        """The rows for run_events since the last call, as the elements of a JSON array; empty where there are none."""
        rows = [
            entry.row(self._request_id)
            if isinstance(entry, _JoinedText)
            else _row(self._request_id, first_seq=entry[0], seq=entry[0], part=entry[1])
            for entry in self._unstored
        ]
        self._unstored.clear()
        return ",".join(rows)

    async def read(self, after: int, *, keep_alive_seconds: float) -> AsyncIterator[bytes]:
        """Everything from event `after` + 1 on; what arrived together leaves together."""
        position = max(after, 0)
        arrived = asyncio.Event()
        self._waiting.add(arrived)
        try:
            while True:
                arrived.clear()
                if position < len(self._encoded):
                    body = b"".join(self._encoded[position:])
                    position = len(self._encoded)
                    yield body
                elif self._is_closed:
                    return
                else:
                    try:
                        async with asyncio.timeout(keep_alive_seconds):
                            await arrived.wait()
                    except TimeoutError:
                        yield KEEP_ALIVE
        finally:
            self._waiting.discard(arrived)
