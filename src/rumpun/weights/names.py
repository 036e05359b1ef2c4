"""What one tensor is called in a GGUF and in transformers, and how its rows are ordered.

Where a family's rows are permuted: llama.cpp turns pairs of neighbouring numbers, transformers turns the first half of
a head against the second; so the converter reorders the rows of the query and key projections inside each head, and
whoever goes between the two does it again. (convert_hf_to_gguf.py, `LlamaModel.permute`.)
"""

import re
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from rumpun.errors import InputError
from rumpun.weights.families.table import OTHER_MODULES, Family, by_architecture
from rumpun.weights.gguf_file import Gguf

__all__ = ["Naming", "gguf_name", "heads_first", "pairs_first", "permuted_heads"]

A = TypeVar("A", bound=np.generic)

_IN_BLOCK: Final = re.compile(r"blk\.(\d+)\.(\w+)\.(weight|bias)")
_OUTSIDE: Final = re.compile(r"(\w+)\.(weight|bias)")
_MODULE_IN_BLOCK: Final = re.compile(r"model\.layers\.(\d+)\.([\w.]+)\.(weight|bias)")
_MODULE_OUTSIDE: Final = re.compile(r"([\w.]+)\.(weight|bias)")


def pairs_first(tensor: "npt.NDArray[A]", heads: int) -> "npt.NDArray[A]":
    """Rows [heads * width, …] from transformers' order to llama.cpp's."""
    split = tensor.reshape(heads, 2, tensor.shape[0] // heads // 2, *tensor.shape[1:])
    return split.swapaxes(1, 2).reshape(tensor.shape)


def heads_first(tensor: "npt.NDArray[A]", heads: int) -> "npt.NDArray[A]":
    """Rows [heads * width, …] from llama.cpp's order to transformers': undoes `pairs_first`."""
    split = tensor.reshape(heads, tensor.shape[0] // heads // 2, 2, *tensor.shape[1:])
    return split.swapaxes(1, 2).reshape(tensor.shape)


def permuted_heads(family: Family, name: str, heads: int, key_heads: int) -> int:
    """Heads whose rows are reordered in this tensor (GGUF's name); 0 for a tensor kept in order."""
    if not family.permuted:
        return 0
    if ".attn_q." in name:
        return heads
    return key_heads if ".attn_k." in name else 0


def gguf_name(family: Family, name: str) -> str | None:
    """`model.layers.3.self_attn.q_proj.weight` -> `blk.3.attn_q.weight`; None where GGUF has no such tensor."""
    if found := _MODULE_IN_BLOCK.fullmatch(name):
        own = next((gguf for gguf, module in family.blocks.items() if module == found[2]), None)
        return None if own is None else f"blk.{found[1]}.{own}.{found[3]}"
    if found := _MODULE_OUTSIDE.fullmatch(name):
        own = next((gguf for gguf, module in OTHER_MODULES.items() if module == found[1]), None)
        return None if own is None else f"{own}.{found[2]}"
    return None


class Naming:
    """The two names of every tensor of one GGUF, and the heads whose rows are reordered.

    Raises:
        InputError: the file is of an architecture that is not in the table of families.
    """

    def __init__(self, file: Gguf) -> None:
        self.family = by_architecture(file.architecture, file.path)
        self.path = file.path
        self.blocks = int(file.hyper("block_count"))
        self.heads = int(file.hyper("attention.head_count"))
        self.key_heads = int(file.get(f"{file.architecture}.attention.head_count_kv", self.heads))

    def transformers(self, name: str) -> str:
        """`blk.3.attn_q.weight` -> `model.layers.3.self_attn.q_proj.weight`.

        Raises:
            InputError: this family in transformers has no such tensor.
        """
        blocks = self.family.blocks
        if (found := _IN_BLOCK.fullmatch(name)) and found[2] in blocks:
            return f"model.layers.{found[1]}.{blocks[found[2]]}.{found[3]}"
        if (found := _OUTSIDE.fullmatch(name)) and found[1] in OTHER_MODULES:
            return f"{OTHER_MODULES[found[1]]}.{found[2]}"
        raise InputError(
            f"{self.path}: tensor {name} has no place in a {self.family.architecture} of transformers",
            "use a GGUF of a plain model of this family, without experts or added heads",
        )

    def permuted_heads(self, name: str) -> int:
        """Heads whose rows are reordered in this tensor (GGUF's name); 0 for a tensor kept in order."""
        return permuted_heads(self.family, name, self.heads, self.key_heads)

    def modules(self, file: Gguf) -> dict[str, str]:
        """GGUF's tensor name -> transformers' module name, for every weight that a layer may change."""
        named: dict[str, Any] = {}
        for name in file.tensors:
            known = (found := _IN_BLOCK.fullmatch(name)) and found[2] in self.family.blocks
            known = known or ((found := _OUTSIDE.fullmatch(name)) and found[1] in OTHER_MODULES)
            if known and name.endswith(".weight"):
                named[name] = self.transformers(name).removesuffix(".weight")
        return named
