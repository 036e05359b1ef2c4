"""Linear heads over hashed n-grams: int8 weights in safetensors, their description in JSON.

`<name>.json` holds the schema, labels, n-gram lengths, the sha256 of `<name>.safetensors` and whatever the owner adds
under `facts`. The tensors are weights [buckets, heads] int8, scale [heads] and bias [heads] float32; a head's logit
is bias + scale * (normalised counts · weights).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from rumpun.errors import InputError
from rumpun.language.ngrams import hashed
from rumpun.records.json_files import read_json

__all__ = ["Heads", "checked_tensors", "quantised", "read_heads", "write_heads"]

SCHEMA = 1


class _About(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    schema: int
    labels: tuple[str, ...]
    lengths: tuple[int, ...]
    sha256: str
    facts: dict[str, Any] = {}


@dataclass(frozen=True, slots=True, eq=False)
class Heads:
    """Linear heads, one for each label."""

    labels: tuple[str, ...]
    lengths: tuple[int, ...]  # n-gram lengths, code points
    weights: npt.NDArray[np.int8]  # [buckets, heads]
    scale: npt.NDArray[np.float32]  # [heads]
    bias: npt.NDArray[np.float32]  # [heads]
    facts: dict[str, Any]

    def logits(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """One row for each text, one column for each label."""
        counts = hashed(texts, buckets=len(self.weights), lengths=self.lengths)
        return counts.normalised().dot(self.weights) * self.scale + self.bias


def quantised(
    weights: npt.NDArray[np.floating[Any]],
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Int8 weights and one scale for each head, so that weights is about int8 * scale."""
    scale = np.abs(weights).max(axis=0) / 127
    scale[scale == 0] = 1
    return np.rint(weights / scale).astype(np.int8), scale.astype(np.float32)


def write_heads(folder: Path, name: str, heads: Heads) -> None:
    """Write `<name>.safetensors` and `<name>.json` into a folder."""
    from safetensors.numpy import save

    data = save({"weights": np.ascontiguousarray(heads.weights), "scale": heads.scale, "bias": heads.bias})
    (folder / f"{name}.safetensors").write_bytes(data)
    about = _About(
        schema=SCHEMA,
        labels=heads.labels,
        lengths=heads.lengths,
        sha256=hashlib.sha256(data).hexdigest(),
        facts=heads.facts,
    )
    (folder / f"{name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(about), indent=1) + b"\n")


def read_heads(folder: Path, name: str) -> Heads:
    """Read and check what `write_heads` wrote.

    Raises:
        InputError: a file is missing, damaged, or of another schema.
    """
    about = read_json(folder / f"{name}.json", _About, "a description of heads", schema=SCHEMA)
    path = folder / f"{name}.safetensors"
    weights, scale, bias = checked_tensors(path, about.sha256, ("weights", "scale", "bias"), "heads")
    count = len(about.labels)
    if weights.ndim != 2 or weights.shape[1] != count or scale.shape != (count,) or bias.shape != (count,):
        raise InputError(
            f"{path}: weights {weights.shape}, scale {scale.shape}, bias {bias.shape} for {count} labels",
            "restore both files from one release",
        )
    return Heads(about.labels, about.lengths, weights, scale, bias, about.facts)


def checked_tensors(path: Path, sha256: str, names: tuple[str, ...], what: str) -> list[npt.NDArray[Any]]:
    """The named tensors of a safetensors file whose hash the JSON file beside it states.

    Raises:
        InputError: it is missing, damaged, of another training, or lacks a tensor; `what` says what it should be.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})", "restore it from a release") from error
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise InputError(
            f"{path}: sha256 {found[:12]}…, {path.stem}.json says {sha256[:12]}…: damaged or of another training",
            "restore both files from one release",
        )
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors = load(data)
        return [tensors[name] for name in names]
    except (SafetensorError, KeyError) as error:
        raise InputError(f"{path}: not {what} ({error})", "restore it from a release") from error
