"""What one tensor is called in a llama's GGUF and in transformers, and how its rows are ordered.

llama.cpp turns pairs of neighbouring numbers, transformers turns the first half of a head against the second; so the
converter reorders the rows of the query and key projections inside each head, and whoever goes between the two does
it again. (convert_hf_to_gguf.py, `LlamaModel.permute`.)
"""

import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from rumpun.errors import InputError
from rumpun.weights.gguf_file import Gguf

__all__ = ["Naming", "heads_first", "pairs_first"]

A = TypeVar("A", bound=np.generic)

BLOCK_MODULES: Final[Mapping[str, str]] = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
OTHER_MODULES: Final[Mapping[str, str]] = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}
_IN_BLOCK: Final = re.compile(r"blk\.(\d+)\.(\w+)\.(weight|bias)")
_OUTSIDE: Final = re.compile(r"(\w+)\.(weight|bias)")


def pairs_first(tensor: "npt.NDArray[A]", heads: int) -> "npt.NDArray[A]":
    """Rows [heads * width, …] from transformers' order to llama.cpp's."""
    split = tensor.reshape(heads, 2, tensor.shape[0] // heads // 2, *tensor.shape[1:])
    return split.swapaxes(1, 2).reshape(tensor.shape)


def heads_first(tensor: "npt.NDArray[A]", heads: int) -> "npt.NDArray[A]":
    """Rows [heads * width, …] from llama.cpp's order to transformers': undoes `pairs_first`."""
    split = tensor.reshape(heads, tensor.shape[0] // heads // 2, 2, *tensor.shape[1:])
    return split.swapaxes(1, 2).reshape(tensor.shape)


class Naming:
    """The two names of every tensor of one llama, and the heads whose rows are reordered."""

    def __init__(self, file: Gguf) -> None:
        if file.architecture != "llama":
            raise InputError(
                f"{file.path}: architecture '{file.architecture}', expected 'llama'",
                "layers and transformers folders are made for llama models; serve others as they are",
            )
        self.path = file.path
        self.blocks = int(file.hyper("block_count"))
        self.heads = int(file.hyper("attention.head_count"))
        self.key_heads = int(file.get("llama.attention.head_count_kv", self.heads))

    def transformers(self, name: str) -> str:
        """`blk.3.attn_q.weight` -> `model.layers.3.self_attn.q_proj.weight`.

        Raises:
            InputError: a llama in transformers has no such tensor.
        """
        if (found := _IN_BLOCK.fullmatch(name)) and found[2] in BLOCK_MODULES:
            return f"model.layers.{found[1]}.{BLOCK_MODULES[found[2]]}.{found[3]}"
        if (found := _OUTSIDE.fullmatch(name)) and found[1] in OTHER_MODULES:
            return f"{OTHER_MODULES[found[1]]}.{found[2]}"
        raise InputError(
            f"{self.path}: tensor {name} has no place in a llama of transformers",
            "use a GGUF without scaled rotary frequencies or experts",
        )

    def permuted_heads(self, name: str) -> int:
        """Heads whose rows are reordered in this tensor (GGUF's name); 0 for a tensor kept in order."""
        if ".attn_q." in name:
            return self.heads
        return self.key_heads if ".attn_k." in name else 0

    def modules(self, file: Gguf) -> dict[str, str]:
        """GGUF's tensor name -> transformers' module name, for every weight that a layer may change."""
        named: dict[str, Any] = {}
        for name in file.tensors:
            known = (found := _IN_BLOCK.fullmatch(name)) and found[2] in BLOCK_MODULES
            known = known or ((found := _OUTSIDE.fullmatch(name)) and found[1] in OTHER_MODULES)
            if known and name.endswith(".weight"):
                named[name] = self.transformers(name).removesuffix(".weight")
        return named
