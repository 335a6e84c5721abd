"""The answer of an embedding service, checked number by number."""

import base64
import binascii
import math
from array import array
from typing import TypeAlias

from pydantic import BaseModel, ValidationError

Vector: TypeAlias = "array[float]"
"""32-bit floats, as pgvector keeps them: an eighth of what a list of numbers takes."""
_NOTHING: Vector = array("f")


class InvalidAnswer(Exception):
    """No answer to what was asked: vectors are missing, of different lengths, zero or not finite."""


class _Item(BaseModel):
    index: int | None = None
    embedding: str | list[float]


class _Answer(BaseModel):
    data: list[_Item]


class _Fault(BaseModel):
    code: str | int | None = None
    type: str | None = None


class _FaultAnswer(BaseModel):
    error: _Fault


def read_vectors(body: bytes, *, count: int) -> list[Vector]:
    """One vector per text, in the order of the texts, all of one length. Raises InvalidAnswer."""
    try:
        answer = _Answer.model_validate_json(body)
    except ValidationError:
        raise InvalidAnswer("the answer is no list of embeddings") from None
    if len(answer.data) != count:
        raise InvalidAnswer(f"{len(answer.data)} vectors for {count} texts")
    # The order is that of `index`; some services leave it out and keep the order of the texts.
    positions = [position if item.index is None else item.index for position, item in enumerate(answer.data)]
    if sorted(positions) != list(range(count)):
        raise InvalidAnswer("the vectors cannot be told apart")
    vectors = [_NOTHING] * count
    for position, item in zip(positions, answer.data, strict=True):
        vectors[position] = _vector(item.embedding)
    if len({len(vector) for vector in vectors}) != 1:
        raise InvalidAnswer("the vectors are of different lengths")
    return vectors


def fault_code(body: bytes) -> str:
    """What the service calls its error; empty where it does not say."""
    try:
        fault = _FaultAnswer.model_validate_json(body).error
    except ValidationError:
        return ""
    return str(fault.code or fault.type or "")


def _vector(embedding: str | list[float]) -> Vector:
    vector = _from_base64(embedding) if isinstance(embedding, str) else array("f", embedding)
    length = math.hypot(*vector)
    if not math.isfinite(length):
        raise InvalidAnswer("a vector is not finite")
    if length == 0:
        raise InvalidAnswer("a vector is zero")
    return vector


def _from_base64(text: str) -> Vector:
    """Little-endian 32-bit floats."""
    try:
        raw = base64.b64decode(text, validate=True)
        numbers = array("f")
        numbers.frombytes(raw)
    except (binascii.Error, ValueError):
        raise InvalidAnswer("a vector is no base64 of numbers") from None
    if array("H", [1]).tobytes() != b"\x01\x00":
        numbers.byteswap()
    return numbers
