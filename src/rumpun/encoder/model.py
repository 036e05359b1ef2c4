"""The network, in torch: BERT's layers (Devlin et al. 2018, arXiv 1810.04805), mean pooling, unit vectors.

Teacher and student are of one kind; they differ in their subwords. Dropout is for students that pass over their data
many times. In training on a GPU, products are of bfloat16.
"""

from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (torch's own custom)
from torch import Tensor, nn

from rumpun.errors import InputError

__all__ = [
    "HEADS", "INNER", "LAYERS", "WIDTH", "Layer", "Student", "from_bert", "layers_of", "padded", "with_layers",
]  # fmt: skip

WIDTH, INNER, LAYERS, HEADS = 384, 1536, 6, 12
_SMALL = 1e-12  # of BERT's layer norms


class Layer(nn.Module):
    """Self-attention and a feed-forward part, each with its residual and layer norm after it."""

    def __init__(
        self, width: int = WIDTH, inner: int = INNER, heads: int = HEADS, *, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm1 = nn.LayerNorm(width, eps=_SMALL)
        self.up = nn.Linear(width, inner)
        self.down = nn.Linear(inner, width)
        self.norm2 = nn.LayerNorm(width, eps=_SMALL)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """[batch, tokens, width] -> the same; mask [batch, 1, 1, tokens] is true where a token stands."""
        batch, tokens, width = x.shape
        q, k, v = self.qkv(x).view(batch, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = self.norm1(x + self._some(self.out(seen.transpose(1, 2).reshape(batch, tokens, width))))
        y: Tensor = self.norm2(x + self._some(self.down(F.gelu(self.up(x)))))
        return y

    def _some(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training)


class Student(nn.Module):
    """Subword ids -> a unit vector."""

    def __init__(
        self,
        *,
        vocabulary: int,
        positions: int,
        layers: int = LAYERS,
        width: int = WIDTH,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.width, self.dropout = width, dropout
        self.words = nn.Embedding(vocabulary, width)
        self.places = nn.Parameter(torch.zeros(positions, width))  # the single segment's vector is in them
        self.norm = nn.LayerNorm(width, eps=_SMALL)
        self.layers = nn.ModuleList(Layer(width, dropout=dropout) for _ in range(layers))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Ids [batch, tokens] and mask (true where a token stands) -> unit vectors [batch, width]."""
        with torch.autocast(ids.device.type, torch.bfloat16, enabled=ids.is_cuda and self.training):
            x = self.norm(self.words(ids) + self.places[: ids.shape[1]])
            x = F.dropout(x, self.dropout, self.training)
            wide = mask[:, None, None, :]
            for layer in self.layers:
                x = layer(x, wide)
        weight = mask[:, :, None].float()
        return F.normalize((x.float() * weight).sum(1) / weight.sum(1), dim=-1)


def from_bert(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A BERT checkpoint's tensors under this module's names."""
    found = {
        "words.weight": tensors["embeddings.word_embeddings.weight"],
        "places": tensors["embeddings.position_embeddings.weight"]
        + tensors["embeddings.token_type_embeddings.weight"][0],
        "norm.weight": tensors["embeddings.LayerNorm.weight"],
        "norm.bias": tensors["embeddings.LayerNorm.bias"],
    }
    names = {
        "out": "attention.output.dense",
        "norm1": "attention.output.LayerNorm",
        "up": "intermediate.dense",
        "down": "output.dense",
        "norm2": "output.LayerNorm",
    }
    for n in range(LAYERS):
        theirs = f"encoder.layer.{n}."
        for part in ("weight", "bias"):
            qkv = [tensors[f"{theirs}attention.self.{name}.{part}"] for name in ("query", "key", "value")]
            found[f"layers.{n}.qkv.{part}"] = torch.cat(qkv)
            for ours, name in names.items():
                found[f"layers.{n}.{ours}.{part}"] = tensors[f"{theirs}{name}.{part}"]
    return {name: tensor.float().clone() for name, tensor in found.items()}


def layers_of(tensors: Mapping[str, Tensor]) -> int:
    """How many layers a student with these tensors has."""
    return sum(name.startswith("layers.") and name.endswith(".qkv.weight") for name in tensors)


def with_layers(tensors: Mapping[str, Tensor], kept: Sequence[int]) -> dict[str, Tensor]:
    """The tensors of a student that has these of its layers alone, in this order; all where none is named.

    Raises:
        InputError: there is no such layer.
    """
    there = layers_of(tensors)
    if wrong := [n for n in kept if not 0 <= n < there]:
        raise InputError(f"layers = {list(kept)}: no layer {wrong[0]}", f"name some of 0 to {there - 1}")
    if not kept:
        return dict(tensors)
    found = {name: tensor for name, tensor in tensors.items() if not name.startswith("layers.")}
    for place, n in enumerate(kept):
        own = f"layers.{n}."
        found |= {
            f"layers.{place}.{name[len(own) :]}": tensor
            for name, tensor in tensors.items()
            if name.startswith(own)
        }
    return found


def padded(ids: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """(ids, mask), both [texts, longest]."""
    lengths = np.fromiter(map(len, ids), np.int64, len(ids))
    mask = np.arange(lengths.max()) < lengths[:, None]
    out = np.zeros(mask.shape, np.int64)
    out[mask] = np.fromiter(chain.from_iterable(ids), np.int64, lengths.sum())
    return torch.from_numpy(out), torch.from_numpy(mask)
