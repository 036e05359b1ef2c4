"""A fully tuned model minus its base -> a layer: the nearest product of a rank for every module, and added rows.

What a layer cannot hold (norms, biases, tables of rows where they are no target) is named with its relative change, never
left out in silence.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rumpun.errors import InputError, UsageError
from rumpun.layer.base import base_name, base_sha256
from rumpun.layer.merging.factors import padded
from rumpun.layer.merging.layers import cut_to, told_error
from rumpun.layer.merging.parents import INPUT, OUTPUT, Parent, check_alike
from rumpun.layer.merging.vocabulary import Vocabulary, union
from rumpun.steps import Progress, quiet
from rumpun.weights.layer_file import MODULES, LayerSpec

__all__ = ["extract_layer"]

Table = npt.NDArray[np.float32]
Tensors = dict[str, npt.NDArray[np.floating]]
_TOLD = 1e-4  # relative change below which a tensor that is left out is not worth a word


def extract_layer(
    model: Parent,
    under: Parent,
    base: Path,
    reference: str,
    *,
    rank: int,
    targets: Sequence[str],
    stands_on: str | None = None,
    licence: str = "Apache-2.0",
    progress: Progress = quiet,
) -> tuple[LayerSpec, Tensors, dict[str, Any]]:
    """The layer's spec and tensors, and what was lost.

    Args:
        model: the tuned model.
        under: what it was tuned from: the base, or the base with a layer on it.
        base: the base's file or folder, for its sha256.
        reference: the base as people type it.
        rank: of every product.
        targets: suffixes of modules, such as "q_proj".
        stands_on: the sha256 of the layer in `under`.
        licence: SPDX, of the layer.
        progress: called with (tensors done, tensors in all, tensor).

    Raises:
        UsageError: an unknown target, or a rank below 1.
        InputError: the two are not of one architecture, or nothing differs.
    """
    _check(model, under, rank, targets)
    added, merges = _added(under, model)
    tensors, squares, changes = _differences(
        model, under, added, rank=rank, targets=targets, progress=progress
    )
    error = told_error(squares)
    left = {name: float(f"{change:.3g}") for name, change in changes.items() if change > _TOLD}
    if not any(norm for _, norm in squares.values()) and not added:
        raise InputError(
            f"{model.name}: no difference from {under.name} in {', '.join(targets)}", "name other targets"
        )
    spec = LayerSpec(
        base_name=base_name(base, reference),
        base_sha256=base_sha256(base),
        architecture=str(under.config.get("model_type", "llama")),
        rank=rank,
        alpha=float(rank),
        targets=tuple(targets),
        tokens=added,
        merges=merges,
        chat_template=model.template if model.template != under.template else None,
        licence=licence,
        stands_on=stands_on,
    )
    special = [t for t in added if model.vocabulary and model.vocabulary.added.get(t, {}).get("special")]
    return spec, tensors, {
        "rank": rank,
        "error": error,
        "tokens": len(added),
        "special_tokens_as_plain": special,
        "left_out": dict(sorted(left.items(), key=lambda item: -item[1])),
    }  # fmt: skip


def _differences(
    model: Parent,
    under: Parent,
    added: Sequence[str],
    *,
    rank: int,
    targets: Sequence[str],
    progress: Progress,
) -> tuple[Tensors, dict[str, tuple[float, float]], dict[str, float]]:
    """The products and added rows; what each cut lost, squared; and how much of what no target names has changed."""
    names = under.names()
    tensors: Tensors = {}
    squares: dict[str, tuple[float, float]] = {}
    changes: dict[str, float] = {}
    for place, name in enumerate(names):
        progress(place, len(names), name)
        module = name.removesuffix(".weight")
        before, after = under.tensor(name), model.tensor(name)
        if name.endswith((INPUT, OUTPUT)) and under.vocabulary and model.vocabulary:
            if added:
                rows = after[[model.vocabulary.numbers[token] for token in added]]
                tensors[f"{module}.rows"] = rows.astype(np.float32)
            after = _common(before, after, under.vocabulary, model.vocabulary)
        difference = np.subtract(after, before, out=after)
        if module.rpartition(".")[2] in targets and difference.ndim == 2:
            made, squares[module] = cut_to(difference, min(rank, *difference.shape))
            made = padded(made, rank)
            tensors[f"{module}.a"], tensors[f"{module}.b"] = made.a, made.b
        else:
            norm = float(np.linalg.norm(before))
            changes[name] = float(np.linalg.norm(difference)) / norm if norm else math.inf
    progress(len(names), len(names), "")
    return tensors, squares, changes


def _check(model: Parent, under: Parent, rank: int, targets: Sequence[str]) -> None:
    """Refuse settings and models that no layer can come of."""
    unknown = [target for target in targets if target not in MODULES]
    if unknown or not targets or rank < 1:
        raise UsageError(
            f"targets = {list(targets)}, rank = {rank}", f"rank 1 or more, targets among {', '.join(MODULES)}"
        )
    check_alike([under, model])
    if under.tied != model.tied:
        one, two = (p.name for p in ((under, model) if under.tied else (model, under)))
        raise InputError(
            f"{one} ties its output to its input, {two} does not", "extract from a model tuned from this base"
        )


def _added(under: Parent, model: Parent) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tokens and merges that the tuned model has and what it was tuned from lacks."""
    old, new = under.vocabulary, model.vocabulary
    if old is None or new is None:
        return (), ()
    union([old, new])  # refuses what cuts text differently
    lost = sorted(old.numbers.keys() - new.numbers.keys())
    if lost:
        raise InputError(
            f"{model.name}: lacks {len(lost)} tokens of {under.name}, the first is '{lost[0]}'",
            "a layer only adds tokens: extract from a model that kept the base's",
        )
    tokens = sorted(new.numbers.keys() - old.numbers.keys(), key=lambda token: new.numbers[token])
    known = set(old.merges)
    return tuple(tokens), tuple(" ".join(pair) for pair in new.merges if pair not in known)


def _common(before: Table, after: Table, old: Vocabulary, new: Vocabulary) -> Table:
    """The tuned table [tokens, width] in the order of what it was tuned from, without what was added."""
    pairs = [(number, new.numbers[token]) for token, number in old.numbers.items()]
    ours, theirs = np.array(pairs, np.int64).reshape(-1, 2).T
    common = before.copy()
    common[ours] = after[theirs]
    return common
