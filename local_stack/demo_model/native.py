"""The three native libraries behind the embeddings, with types: they carry none, or incomplete ones."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


class Encoding(Protocol):
    """A text cut into model tokens."""

    @property
    def ids(self) -> list[int]: ...


class Tokenizer(Protocol):
    """tokenizers.Tokenizer, as far as it is used."""

    def enable_truncation(self, max_length: int) -> None: ...
    def no_padding(self) -> None: ...
    def encode_batch(self, input: list[str]) -> list[Encoding]: ...


class Session(Protocol):
    """onnxruntime.InferenceSession, as far as it is used."""

    def run(self, output_names: list[str], input_feed: dict[str, npt.NDArray[np.generic]]) -> list[FloatArray]: ...


class _SessionOptions(Protocol):
    intra_op_num_threads: int
    enable_cpu_mem_arena: bool

    def add_session_config_entry(self, key: str, value: str) -> None: ...


class _OnnxRuntime(Protocol):
    def SessionOptions(self) -> _SessionOptions: ...
    def InferenceSession(self, model: bytes, options: _SessionOptions, *, providers: Sequence[str]) -> Session: ...


class _TokenizerClass(Protocol):
    def from_file(self, path: str) -> Tokenizer: ...


class _Tokenizers(Protocol):
    @property
    def Tokenizer(self) -> _TokenizerClass: ...


class _SafetensorsNumpy(Protocol):
    def load_file(self, filename: str) -> dict[str, FloatArray]: ...


def open_tokenizer(file: Path) -> Tokenizer:
    """Read a tokenizer.json."""
    return cast(_Tokenizers, import_module("tokenizers")).Tokenizer.from_file(str(file))


def open_weights(file: Path) -> dict[str, FloatArray]:
    """Read a safetensors file."""
    return cast(_SafetensorsNumpy, import_module("safetensors.numpy")).load_file(str(file))


def open_session(model: bytes, *, threads: int) -> Session:
    """Make an ONNX model ready to run on the processor."""
    runtime = cast(_OnnxRuntime, import_module("onnxruntime"))
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.enable_cpu_mem_arena = False  # the arena would keep the peak for good
    # Spinning threads would burn both cores between two batches.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
