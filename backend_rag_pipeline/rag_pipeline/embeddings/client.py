"""One request to an embedding service, tried until its deadline."""

import asyncio
import time
from collections.abc import Sequence

import httpx

from rag_pipeline.embeddings.errors import EmbeddingRefused, EmbeddingUnavailable
from rag_pipeline.embeddings.pacing import Pacer, backoff_seconds, retry_after_seconds
from rag_pipeline.embeddings.wire import InvalidAnswer, Vector, fault_code, read_vectors

_CONFIGURATION_FAULTS = {
    401: "The embedding service refuses the configured key.",
    403: "The embedding service refuses access with the configured key.",
    404: "The embedding service does not know this address or model.",
}
_PASSING_STATUS = {408, 409, 425}
_INVALID_ANSWERS_MAX = 2


class BatchRefused(Exception):
    """The service does not take these texts together, or one of them at all."""


class EmbeddingClient:
    """Sends batches to one model. Shares its pace among all that use it."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        base_url: str,
        api_key: str,
        model: str,
        concurrency: int,
        timeout_seconds: float,
        deadline_seconds: float,
        retries_max: int,
    ) -> None:
        self._http = http
        self._url = f"{base_url}/embeddings"
        self._headers = {"Authorization": f"Bearer {api_key or 'not-needed'}"}
        self._model = model
        self._timeout = httpx.Timeout(timeout_seconds)
        self._deadline_seconds = deadline_seconds
        self._retries_max = retries_max
        # A quarter of the bytes of JSON numbers; None: not known yet whether the service speaks it.
        self._takes_base64: bool | None = None
        self.pacer = Pacer(at_once_max=concurrency)

    async def embed_batch(self, texts: Sequence[str]) -> list[Vector]:
        """One vector per text. Raises BatchRefused, EmbeddingRefused, EmbeddingUnavailable."""
        try:
            async with asyncio.timeout(self._deadline_seconds):
                return await self._try(texts)
        except TimeoutError:
            raise EmbeddingUnavailable("The embedding service did not answer before the deadline.") from None

    async def _try(self, texts: Sequence[str]) -> list[Vector]:
        """Attempts until one succeeds. Those answered with 429 do not count: the deadline ends them."""
        give_up_at = time.monotonic() + self._deadline_seconds
        failures = invalid = limited = 0
        while True:
            problem = "The embedding service cannot be reached."
            reply = None
            async with self.pacer.turn():
                try:
                    reply = await self._post(texts)
                except httpx.HTTPError:
                    failures += 1
            if reply is not None and reply.is_success:
                try:
                    vectors = read_vectors(reply.content, count=len(texts))
                except InvalidAnswer as error:
                    invalid += 1
                    if invalid >= _INVALID_ANSWERS_MAX:
                        raise BatchRefused(f"invalid answer: {error}") from None
                else:
                    self._takes_base64 = self._takes_base64 is not False
                    self.pacer.succeeded()
                    return vectors
            elif reply is not None:
                if self._is_format_fault(reply):
                    self._takes_base64 = False
                    continue
                self._raise_if_final(reply)
                problem = f"The embedding service answered {reply.status_code}."
                is_limited = reply.status_code == 429
                limited, failures = limited + is_limited, failures + (not is_limited)
            if failures > self._retries_max:
                raise EmbeddingUnavailable(problem)
            await self._wait(reply, failures + invalid + limited - 1, give_up_at)

    async def _post(self, texts: Sequence[str]) -> httpx.Response:
        body: dict[str, object] = {"model": self._model, "input": list(texts)}
        body["encoding_format"] = "float" if self._takes_base64 is False else "base64"
        return await self._http.post(self._url, json=body, headers=self._headers, timeout=self._timeout)

    def _is_format_fault(self, reply: httpx.Response) -> bool:
        """A service that never answered in base64 may be refusing just that."""
        return self._takes_base64 is None and reply.status_code in (400, 422)

    def _raise_if_final(self, reply: httpx.Response) -> None:
        status = reply.status_code
        if status in _CONFIGURATION_FAULTS:
            raise EmbeddingRefused(_CONFIGURATION_FAULTS[status])
        if status == 429 and fault_code(reply.content) == "insufficient_quota":
            raise EmbeddingUnavailable("The quota of the embedding service is used up.")
        if status < 500 and status != 429 and status not in _PASSING_STATUS:
            raise BatchRefused(f"status {status}")

    async def _wait(self, reply: httpx.Response | None, attempt: int, give_up_at: float) -> None:
        asked = retry_after_seconds(reply.headers) if reply is not None else None
        seconds = asked if asked is not None else backoff_seconds(attempt)
        if time.monotonic() + seconds > give_up_at:
            raise EmbeddingUnavailable("The embedding service asks for more patience than the deadline has.")
        if reply is not None and reply.status_code == 429:
            self.pacer.slow_down(seconds)
        else:
            await asyncio.sleep(seconds)
