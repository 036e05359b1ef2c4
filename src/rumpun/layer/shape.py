"""The shape of a base, from a GGUF's metadata or a config.json: what a run's cost follows from. Read without torch."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rumpun.layer.tiny_base import TINY_NAME, write_tiny_base
from rumpun.steps import Progress, quiet

__all__ = ["Shape", "find_shape"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The sizes of a decoder-only model."""

    name: str
    hidden: int
    blocks: int
    heads: int
    key_heads: int
    head_dim: int
    inner: int  # width of the feed-forward part
    vocabulary: int  # rows of the embedding
    tied: bool  # the output is the embedding
    modules: Mapping[str, tuple[int, int]]  # target -> (output, input) of the linear module in each block
    config: Mapping[str, Any] = field(compare=False)  # config.json of a model of this shape

    @property
    def block_numbers(self) -> int:
        """Weights in one block's linear modules."""
        return sum(out * into for out, into in self.modules.values())

    @property
    def table_numbers(self) -> int:
        """Weights in the embedding, and as many in an output of its own."""
        return self.vocabulary * self.hidden

    @property
    def numbers(self) -> int:
        """Weights in all, norms left out."""
        return self.blocks * self.block_numbers + self.table_numbers * (1 if self.tied else 2)


def find_shape(reference: str, progress: Progress = quiet) -> Shape:
    """The shape of a recipe's `base`.

    Raises:
        InputError: the base is not at hand, or layers cannot be trained on it.
    """
    from rumpun.engines.bases import find_base
    from rumpun.layer.base import base_name

    if reference == TINY_NAME:
        with tempfile.TemporaryDirectory() as folder:
            return _of_gguf(write_tiny_base(Path(folder) / "base.gguf", 0), TINY_NAME)
    place = find_base(reference, progress)
    name = base_name(place, reference)
    return _of_folder(place, name) if place.is_dir() else _of_gguf(place, name)


def _of_folder(folder: Path, name: str) -> Shape:
    from rumpun.weights.families.hyper import text_family

    text_family(folder)
    path = folder / "config.json"
    return _shape(path, json.loads(path.read_text(encoding="utf-8")), name)


def _of_gguf(path: Path, name: str) -> Shape:
    from rumpun.weights.families.hyper import config_of
    from rumpun.weights.families.table import by_architecture
    from rumpun.weights.gguf_file import read_gguf

    file = read_gguf(path)
    family = by_architecture(file.architecture, path)
    vocabulary = file.entry("token_embd.weight").shape[0]
    return _shape(path, config_of(file, family, vocabulary, {}), name)


def _shape(path: Path, raw: dict[str, Any], name: str) -> Shape:
    from rumpun.weights.families.hyper import Config

    config = Config(path, raw)
    hidden, inner = config.hidden, int(config.need("intermediate_size"))
    outs, narrow = config.heads * config.head_dim, config.key_heads * config.head_dim
    sizes = {
        "q_proj": (outs, hidden), "k_proj": (narrow, hidden), "v_proj": (narrow, hidden), "o_proj": (hidden, outs),
        "gate_proj": (inner, hidden), "up_proj": (inner, hidden), "down_proj": (hidden, inner),
    }  # fmt: skip
    return Shape(
        name=name, hidden=hidden, blocks=config.blocks, heads=config.heads, key_heads=config.key_heads,
        head_dim=config.head_dim, inner=inner, vocabulary=int(config.need("vocab_size")), tied=config.tied,
        modules={target: sizes[target] for target in config.family.targets}, config=raw,
    )  # fmt: skip
