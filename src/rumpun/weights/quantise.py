"""Blocks of numbers: float32 to GGML's formats and back, rows at a time.

The block formats themselves are those of the package `gguf`, which are bit-exact with llama.cpp's reference code; here
they run over larger groups of rows.
"""

from typing import Final

import gguf
import numpy as np
import numpy.typing as npt

__all__ = ["BLOCK", "Bytes", "Float", "dequantise", "quantise", "row_bytes"]

Float = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

BLOCK: Final = 32  # numbers in a block of Q8_0, Q4_0 and Q4_1
_GROUP: Final = (
    1 << 17
)  # numbers worked on at once; 2^16 to 2^20 are within a tenth, 2^12 takes three times as long


def row_bytes(length: int, kind: str) -> int:
    """Bytes of one row of so many numbers; the length is a multiple of the kind's block."""
    block, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]]
    return length // int(block) * int(size)


def dequantise(raw: Bytes, kind: str, shape: tuple[int, ...]) -> Float:
    """Bytes of a tensor -> float32 of its shape.

    Raises:
        NotImplementedError: the package gguf cannot dequantise this kind.
    """
    if kind == "F32":
        return raw.view(np.float32).reshape(shape)
    if kind == "F16":
        return raw.view(np.float16).astype(np.float32).reshape(shape)
    rows = raw.reshape(-1, row_bytes(shape[-1], kind))
    out = np.empty((len(rows), shape[-1]), np.float32)
    step = max(1, _GROUP // shape[-1])
    number = gguf.GGMLQuantizationType[kind]
    for at in range(0, len(rows), step):
        out[at : at + step] = gguf.dequantize(rows[at : at + step], number)
    return out.reshape(shape)


def quantise(tensor: Float, kind: str) -> Bytes:
    """float32 [..., row length] -> the tensor's bytes, flat."""
    if kind == "F32":
        return np.ascontiguousarray(tensor, np.float32).reshape(-1).view(np.uint8)
    if kind == "F16":
        return tensor.astype(np.float16).reshape(-1).view(np.uint8)
    rows = tensor.reshape(-1, tensor.shape[-1])
    out = np.empty((len(rows), row_bytes(rows.shape[1], kind)), np.uint8)
    step = max(1, _GROUP // rows.shape[1])
    number = gguf.GGMLQuantizationType[kind]
    for at in range(0, len(rows), step):
        out[at : at + step] = gguf.quantize(rows[at : at + step], number)
    return out.reshape(-1)
