"""MiniLM as an ONNX graph, written in code.

The weights come as safetensors without a graph, and the `onnx` package is large, so this module writes the few protobuf
fields it needs itself. Field numbers are those of onnx.proto, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

import struct
from collections.abc import Mapping, Sequence

import numpy as np

from local_stack.demo_model.native import FloatArray

_LAYERS = 6
_HEADS = 12
_WIDTH = 384
_EPSILON = 1e-12
_IR_VERSION = 9
_OPSET = 20  # the first one with Gelu
_FLOAT, _INT64 = 1, 7  # TensorProto.DataType
_ATTRIBUTE_FLOAT, _ATTRIBUTE_INT, _ATTRIBUTE_INTS = 1, 2, 7  # AttributeProto.AttributeType

Attribute = int | float | Sequence[int]


def build_minilm(weights: Mapping[str, FloatArray]) -> bytes:
    """A model from `ids` (int64 [batch, length]) and `mask` (float [batch, 1, 1, length], 0 or very negative)
    to `hidden` (float [batch, length, 384])."""
    graph = _Graph()
    hidden = _embeddings(graph, weights)
    for layer in range(_LAYERS):
        hidden = _layer(graph, weights, f"encoder.layer.{layer}", hidden)
    graph.node("Identity", [hidden], output="hidden")
    return graph.model(
        inputs=[
            _value_info("ids", _INT64, ["batch", "length"]),
            _value_info("mask", _FLOAT, ["batch", 1, 1, "length"]),
        ],
        outputs=[_value_info("hidden", _FLOAT, ["batch", "length", _WIDTH])],
    )


def _embeddings(graph: "_Graph", weights: Mapping[str, FloatArray]) -> str:
    # Every text is of segment 0, so its row is added to the positions once.
    places = weights["embeddings.position_embeddings.weight"] + weights["embeddings.token_type_embeddings.weight"][0]
    words = graph.node("Gather", [graph.constant(weights["embeddings.word_embeddings.weight"]), "ids"])
    length = graph.node("Shape", ["ids"], start=1)
    positions = graph.node("Slice", [graph.constant(places), graph.integers([0]), length, graph.integers([0])])
    return _normalised(graph, weights, "embeddings.LayerNorm", graph.node("Add", [words, positions]))


def _layer(graph: "_Graph", weights: Mapping[str, FloatArray], name: str, hidden: str) -> str:
    attended = _attention(graph, weights, f"{name}.attention.self", hidden)
    attended = _dense(graph, weights, f"{name}.attention.output.dense", attended)
    hidden = _normalised(graph, weights, f"{name}.attention.output.LayerNorm", graph.node("Add", [attended, hidden]))
    inner = graph.node("Gelu", [_dense(graph, weights, f"{name}.intermediate.dense", hidden)])
    inner = _dense(graph, weights, f"{name}.output.dense", inner)
    return _normalised(graph, weights, f"{name}.output.LayerNorm", graph.node("Add", [inner, hidden]))


def _attention(graph: "_Graph", weights: Mapping[str, FloatArray], name: str, hidden: str) -> str:
    width = _WIDTH // _HEADS
    split = graph.integers([0, 0, _HEADS, width])
    query, key, value = (
        graph.node("Reshape", [_dense(graph, weights, f"{name}.{part}", hidden), split])
        for part in ("query", "key", "value")
    )
    query = graph.node("Transpose", [query], perm=[0, 2, 1, 3])
    key = graph.node("Transpose", [key], perm=[0, 2, 3, 1])
    value = graph.node("Transpose", [value], perm=[0, 2, 1, 3])
    scale = graph.constant(np.array(width**-0.5, dtype=np.float32))
    scores = graph.node("Mul", [graph.node("MatMul", [query, key]), scale])
    shares = graph.node("Softmax", [graph.node("Add", [scores, "mask"])], axis=-1)
    mixed = graph.node("Transpose", [graph.node("MatMul", [shares, value])], perm=[0, 2, 1, 3])
    return graph.node("Reshape", [mixed, graph.integers([0, 0, _WIDTH])])


def _dense(graph: "_Graph", weights: Mapping[str, FloatArray], name: str, hidden: str) -> str:
    product = graph.node("MatMul", [hidden, graph.constant(weights[f"{name}.weight"].T)])
    return graph.node("Add", [product, graph.constant(weights[f"{name}.bias"])])


def _normalised(graph: "_Graph", weights: Mapping[str, FloatArray], name: str, hidden: str) -> str:
    factors = [graph.constant(weights[f"{name}.weight"]), graph.constant(weights[f"{name}.bias"])]
    return graph.node("LayerNormalization", [hidden, *factors], axis=-1, epsilon=_EPSILON)


class _Graph:
    """Collects nodes and constants and names what they put out."""

    def __init__(self) -> None:
        self._nodes: list[bytes] = []
        self._constants: list[tuple[bytes, bytes]] = []

    def node(self, kind: str, inputs: Sequence[str], *, output: str | None = None, **attributes: Attribute) -> str:
        output = output or f"n{len(self._nodes)}"
        parts = [_text(1, name) for name in inputs]
        parts += [_text(2, output), _text(4, kind)]
        parts += [_bytes(5, _attribute(name, value)) for name, value in attributes.items()]
        self._nodes.append(b"".join(parts))
        return output

    def constant(self, values: FloatArray) -> str:
        return self._tensor(values.shape, _FLOAT, np.ascontiguousarray(values, dtype="<f4").tobytes())

    def integers(self, values: Sequence[int]) -> str:
        return self._tensor((len(values),), _INT64, np.array(values, dtype="<i8").tobytes())

    def _tensor(self, shape: Sequence[int], kind: int, raw: bytes) -> str:
        name = f"c{len(self._constants)}"
        sizes = b"".join(_integer(1, size) for size in shape)
        head = sizes + _integer(2, kind) + _text(8, name) + _head(9, len(raw))
        # Head and weights stay apart until the one join in model(): they are 90 MB.
        self._constants.append((_head(5, len(head) + len(raw)) + head, raw))
        return name

    def model(self, *, inputs: Sequence[bytes], outputs: Sequence[bytes]) -> bytes:
        graph = [_bytes(1, node) for node in self._nodes]
        graph += [_text(2, "minilm")]
        graph += [part for constant in self._constants for part in constant]
        graph += [_bytes(11, value) for value in inputs]
        graph += [_bytes(12, value) for value in outputs]
        opset = _text(1, "") + _integer(2, _OPSET)
        start = _integer(1, _IR_VERSION) + _bytes(8, opset) + _head(7, sum(map(len, graph)))
        return b"".join([start, *graph])


def _attribute(name: str, value: Attribute) -> bytes:
    if isinstance(value, float):
        return _text(1, name) + _key(2, 5) + struct.pack("<f", value) + _integer(20, _ATTRIBUTE_FLOAT)
    if isinstance(value, int):
        return _text(1, name) + _integer(3, value) + _integer(20, _ATTRIBUTE_INT)
    return _text(1, name) + b"".join(_integer(8, item) for item in value) + _integer(20, _ATTRIBUTE_INTS)


def _value_info(name: str, kind: int, shape: Sequence[int | str]) -> bytes:
    sizes = b"".join(_bytes(1, _integer(1, size) if isinstance(size, int) else _text(2, size)) for size in shape)
    tensor = _integer(1, kind) + _bytes(2, sizes)
    return _text(1, name) + _bytes(2, _bytes(1, tensor))


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # negative numbers are written as 64-bit two's complement
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _key(field: int, wire_type: int) -> bytes:
    return _varint(field << 3 | wire_type)


def _integer(field: int, value: int) -> bytes:
    return _key(field, 0) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _head(field, len(value)) + value


def _head(field: int, length: int) -> bytes:
    return _key(field, 2) + _varint(length)


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())
