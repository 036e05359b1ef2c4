"""A student's tensors -> an ONNX graph of 8-bit products and 4- or 8-bit subword rows, with standard operators alone.

Linear layers: weights per output channel, symmetric, 8 bits; activations are quantised as they come
(DynamicQuantizeLinear, MatMulInteger: onnxruntime fuses them). `weight_most` below 127 leaves room for processors
without VNNI, whose 8-bit products saturate when added in pairs (onnxruntime's documentation, "reduce_range").
Subword rows: groups of `_GROUP` numbers share a float16 scale; at 4 bits two numbers lie in a byte.
Attention, norms and pooling are float32.

`read_back` undoes it: the numbers that a graph stands for, from which `build` makes the same graph again.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rumpun.encoder.model import HEADS
from rumpun.errors import InputError

__all__ = ["build", "quantised_rows", "read_back"]

_OPSET = 18
_GROUP = 96  # numbers of a row that share a scale: 384 is four groups
_NORM = 1e-12
_LEAST = 2.0**-14  # the smallest float16 with all its digits: no row's scale is below it
_PARTS = ("qkv", "out", "up", "down")  # linear parts of a layer
_NORMS = ("norm1", "norm2")

Floats = npt.NDArray[np.float32]


def quantised_rows(rows: Floats, bits: int) -> "tuple[npt.NDArray[Any], npt.NDArray[np.float16]]":
    """(packed rows, scales [rows, groups]): uint8 of two 4-bit numbers each, or int8.

    The scale of a group is the one of a few that leaves the least squared error: at 4 bits clipping the largest number
    a little is better than rounding all the others coarsely.
    """
    most = (1 << (bits - 1)) - 1
    groups = rows.reshape(len(rows), -1, _GROUP)
    top = np.abs(groups).max(2) / most
    best, least = top, np.full(top.shape, np.inf)
    for share in (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7) if bits == 4 else (1.0,):
        scale = np.maximum(top * share, _LEAST).astype(np.float16).astype(np.float32)
        close = np.clip(np.round(groups / scale[..., None]), -most, most) * scale[..., None]
        error = ((close - groups) ** 2).sum(2)
        best = np.where(error < least, scale, best)
        least = np.minimum(error, least)
    number = np.clip(np.round(groups / best[..., None]), -most, most).astype(np.int8).reshape(rows.shape)
    if bits == 8:
        return number, best.astype(np.float16)
    half = rows.shape[1] // 2
    low, high = (number[:, :half] + 8).astype(np.uint8), (number[:, half:] + 8).astype(np.uint8)
    return low | (high << 4), best.astype(np.float16)


class _Graph:
    """Nodes and constants as they are named."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.count = 0

    def constant(self, name: str, value: "npt.NDArray[Any]") -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(self, kind: str, inputs: Sequence[str], outputs: int = 1, **facts: Any) -> Any:
        from onnx import helper

        self.count += 1
        names = [f"{kind.lower()}{self.count}_{n}" for n in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **facts))
        return names[0] if outputs == 1 else names


def build(tensors: Mapping[str, Floats], *, bits: int, weight_most: int = 127) -> Any:
    """The graph: `ids` and `mask` (int64 [batch, tokens]) -> `vectors` (float32 [batch, width], unit length).

    Args:
        tensors: a `Student`'s, float32.
        bits: of the subwords' rows, 4 or 8.
        weight_most: the largest 8-bit weight.
    """
    from onnx import TensorProto, checker, helper

    graph = _Graph()
    width = tensors["words.weight"].shape[1]
    x = _embedded(graph, tensors, bits)
    for name, value in {
        "split": [0, 0, 3, HEADS, width // HEADS], "joined": [0, 0, width], "last": [-1], "first": [1], "ends": [1, 2],
    }.items():  # fmt: skip
        graph.constant(name, np.asarray(value, np.int64))
    mask = graph.add("Cast", ["mask"], to=TensorProto.FLOAT)
    graph.constant("one", np.asarray(1, np.float32))
    graph.constant("far", np.asarray(-1e4, np.float32))
    away = graph.add("Mul", [graph.add("Sub", ["one", mask]), "far"])
    away = graph.add("Unsqueeze", [away, "ends"])
    graph.constant("share", np.asarray((width // HEADS) ** -0.5, np.float32))
    for layer in range(_layers(tensors)):
        x = _layer(graph, tensors, f"layers.{layer}", x, away=away, most=weight_most)
    _pooled(graph, x, mask)
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "tokens"])
    seen = helper.make_tensor_value_info("mask", TensorProto.INT64, ["batch", "tokens"])
    out = helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["batch", width])
    whole = helper.make_graph(graph.nodes, "encoder", [ids, seen], [out], graph.constants)
    model = helper.make_model(
        whole, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=9, producer_name="rumpun"
    )
    checker.check_model(model)
    return model


def _layers(tensors: Mapping[str, Any]) -> int:
    return sum(name.endswith(".qkv.weight") for name in tensors)


def read_back(path: Path) -> dict[str, Floats]:
    """A graph that `build` made -> the tensors of a `Student`, as rounded as the graph holds them.

    Raises:
        InputError: the file is missing or damaged, or another graph.
    """
    import onnx
    from google.protobuf.message import DecodeError
    from onnx import numpy_helper

    try:
        graph = onnx.load(path).graph
        held = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
        found = {"words.weight": _plain_rows(held["rows"], held["scales"]), "places": held["places"]}
        layers = sum(name.endswith(".qkv.w") for name in held)
        norms = ["norm", *(f"layers.{n}.{name}" for n in range(layers) for name in _NORMS)]
        for name in norms:
            found |= {f"{name}.weight": held[f"{name}.w"], f"{name}.bias": held[f"{name}.b"]}
        for name in (f"layers.{n}.{part}" for n in range(layers) for part in _PARTS):
            weight = held[f"{name}.w"].astype(np.float32) * held[f"{name}.s"]
            found |= {f"{name}.weight": weight.T, f"{name}.bias": held[f"{name}.b"]}
    except (OSError, DecodeError, KeyError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read as an encoder's graph ({type(error).__name__}: {error})",
            "name the folder of an encoder that this version exported",
        ) from error
    return {name: np.array(tensor, np.float32, order="C") for name, tensor in found.items()}


def _plain_rows(packed: "npt.NDArray[Any]", scales: "npt.NDArray[np.float16]") -> Floats:
    number = packed.astype(np.float32)
    if packed.dtype == np.uint8:
        number = np.concatenate([packed & 15, packed >> 4], axis=1).astype(np.float32) - 8
    groups = number.reshape(*scales.shape, -1) * scales.astype(np.float32)[..., None]
    return groups.reshape(number.shape)


def _embedded(graph: _Graph, tensors: Mapping[str, Floats], bits: int) -> str:
    from onnx import TensorProto

    packed, scales = quantised_rows(tensors["words.weight"], bits)
    row = graph.add("Gather", [graph.constant("rows", packed), "ids"])
    if bits == 4:
        graph.constant("fifteen", np.asarray(15, np.uint8))
        graph.constant("four", np.asarray(4, np.uint8))
        low = graph.add("BitwiseAnd", [row, "fifteen"])
        high = graph.add("BitShift", [row, "four"], direction="RIGHT")
        graph.constant("eight", np.asarray(8, np.float32))
        row = graph.add("Concat", [low, high], axis=-1)
        row = graph.add("Sub", [graph.add("Cast", [row], to=TensorProto.FLOAT), "eight"])
    else:
        row = graph.add("Cast", [row], to=TensorProto.FLOAT)
    scale = graph.add("Gather", [graph.constant("scales", scales), "ids"])
    scale = graph.add(
        "Unsqueeze",
        [graph.add("Cast", [scale], to=TensorProto.FLOAT), graph.constant("tail", np.asarray([3]))],
    )
    row = graph.add("Reshape", [row, graph.constant("groups", np.asarray([0, 0, -1, _GROUP], np.int64))])
    row = graph.add(
        "Reshape", [graph.add("Mul", [row, scale]), graph.constant("whole", np.asarray([0, 0, -1], np.int64))]
    )
    shape = graph.add("Shape", ["ids"], start=1, end=2)
    places = graph.add(
        "Slice",
        [
            graph.constant("places", tensors["places"].astype(np.float32)),
            graph.constant("zero", np.asarray([0])),
            shape,
        ],
    )
    return _norm(graph, tensors, "norm", graph.add("Add", [row, places]))


def _norm(graph: _Graph, tensors: Mapping[str, Floats], name: str, x: str) -> str:
    weight = graph.constant(f"{name}.w", tensors[f"{name}.weight"])
    bias = graph.constant(f"{name}.b", tensors[f"{name}.bias"])
    found: str = graph.add("LayerNormalization", [x, weight, bias], axis=-1, epsilon=_NORM)
    return found


def _linear(graph: _Graph, tensors: Mapping[str, Floats], name: str, x: str, most: int) -> str:
    """X @ W + b with 8-bit numbers on both sides."""
    from onnx import TensorProto

    weight = tensors[f"{name}.weight"].T  # [in, out]
    scale = _few_digits(np.maximum(np.abs(weight).max(0), 1e-8) / most)
    number = np.clip(np.round(weight / scale), -most, most).astype(np.int8)
    number_name = graph.constant(f"{name}.w", number)
    quantised, step, zero = graph.add("DynamicQuantizeLinear", [x], outputs=3)
    product = graph.add("MatMulInteger", [quantised, number_name, zero])
    product = graph.add("Cast", [product], to=TensorProto.FLOAT)
    scale_name = graph.constant(f"{name}.s", scale)
    product = graph.add("Mul", [product, graph.add("Mul", [step, scale_name])])
    found: str = graph.add("Add", [product, graph.constant(f"{name}.b", tensors[f"{name}.bias"])])
    return found


def _few_digits(scale: Floats) -> Floats:
    """With 16 binary digits: a weight times it is exact in float32, so that reading back loses nothing."""
    digits, power = np.frexp(scale.astype(np.float32))
    return np.ldexp(np.round(digits * 65536) / 65536, power).astype(np.float32)


def _layer(graph: _Graph, tensors: Mapping[str, Floats], name: str, x: str, *, away: str, most: int) -> str:
    qkv = graph.add("Reshape", [_linear(graph, tensors, f"{name}.qkv", x, most), "split"])
    q, k, v = graph.add("Split", [qkv], outputs=3, axis=2, num_outputs=3)
    squeeze = graph.constant(f"{name}.two", np.asarray([2]))
    q, k, v = (graph.add("Squeeze", [part, squeeze]) for part in (q, k, v))
    q = graph.add("Transpose", [q], perm=[0, 2, 1, 3])
    k = graph.add("Transpose", [k], perm=[0, 2, 3, 1])
    v = graph.add("Transpose", [v], perm=[0, 2, 1, 3])
    scores = graph.add("Mul", [graph.add("MatMul", [q, k]), "share"])
    seen = graph.add("MatMul", [graph.add("Softmax", [graph.add("Add", [scores, away])], axis=-1), v])
    seen = graph.add("Reshape", [graph.add("Transpose", [seen], perm=[0, 2, 1, 3]), "joined"])
    x = _norm(
        graph,
        tensors,
        f"{name}.norm1",
        graph.add("Add", [x, _linear(graph, tensors, f"{name}.out", seen, most)]),
    )
    up = _linear(graph, tensors, f"{name}.up", x, most)
    up = _gelu(graph, up)
    down = _linear(graph, tensors, f"{name}.down", up, most)
    return _norm(graph, tensors, f"{name}.norm2", graph.add("Add", [x, down]))


def _gelu(graph: _Graph, x: str) -> str:
    """x/2 (1 + erf(x/√2)): the form that onnxruntime knows as one operator."""
    if "root" not in {c.name for c in graph.constants}:
        graph.constant("root", np.asarray(2**0.5, np.float32))
        graph.constant("half", np.asarray(0.5, np.float32))
    erf = graph.add("Erf", [graph.add("Div", [x, "root"])])
    found: str = graph.add("Mul", [graph.add("Mul", [x, graph.add("Add", [erf, "one"])]), "half"])
    return found


def _pooled(graph: _Graph, x: str, mask: str) -> None:
    """The mean over tokens, at unit length, under the name `vectors`."""
    from onnx import helper

    wide = graph.add("Unsqueeze", [mask, "last"])
    total = graph.add("ReduceSum", [graph.add("Mul", [x, wide]), "first"], keepdims=0)
    # a mean and a sum have the same direction: the length is taken out either way
    length = graph.add("ReduceL2", [total, "last"], keepdims=1)
    graph.nodes.append(helper.make_node("Div", [total, length], ["vectors"]))
