"""Layers of one base -> one layer.

Sums (linear, task_arithmetic) and stacks are exact: the factors stand side by side and the ranks add up, unless a smaller
rank is asked for. The methods that choose among numbers (ties, dare, breadcrumbs) work on each module's whole matrix, one
at a time, and the outcome is cut to a rank; what the cut loses is told.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from rumpun.errors import InputError, UsageError
from rumpun.layer.merging.factors import Factors, apart, dense_cut, joined, padded, product_cut, stored
from rumpun.layer.merging.methods import merge_differences
from rumpun.layer.merging.params import ADDITIVE, MergeSettings, check_count
from rumpun.steps import Progress, quiet
from rumpun.weights.layer_file import MODULES, LayerSpec, layer_sha256, read_layer
from rumpun.weights.quantise import Float

__all__ = ["LayerParent", "cut_to", "licence_of", "merge_layers", "open_layer_parent", "told_error"]

Tensors = dict[str, npt.NDArray[np.floating]]


@dataclass(frozen=True, slots=True)
class LayerParent:
    """One layer to merge."""

    folder: Path
    spec: LayerSpec
    tensors: Mapping[str, npt.NDArray[np.floating]]
    sha256: str  # what a layer above names it by

    def factors(self, module: str) -> Factors | None:
        """What the layer adds to this module; None: nothing."""
        if f"{module}.a" not in self.tensors:
            return None
        scale = self.spec.alpha / self.spec.rank
        return Factors(self.tensors[f"{module}.a"], self.tensors[f"{module}.b"], scale)


def open_layer_parent(folder: Path) -> LayerParent:
    """A layer, checked whole.

    Raises:
        InputError: it is damaged, or none.
    """
    spec, tensors = read_layer(folder)
    return LayerParent(folder, spec, tensors, layer_sha256(folder))


def merge_layers(
    parents: Sequence[LayerParent],
    settings: MergeSettings,
    *,
    rank: int = 0,
    seed: int = 0,
    progress: Progress = quiet,
) -> tuple[LayerSpec, Tensors, dict[str, Any]]:
    """One layer's spec and tensors, and what was done.

    Added tokens are the union in the parents' order. In a stack the upper layer's row of a token takes the place of the
    lower's; elsewhere a token that several add has their mean, by the size of their weights. Rows are no differences:
    neither weights nor lambda shrink them.

    Args:
        parents: in a stack the lowest first.
        settings: method "stack", or one of the others but slerp.
        rank: of the outcome; 0: the sum of the parents' ranks.
        seed: of DARE.
        progress: called with (modules done, modules in all, module).

    Returns:
        `error` in the third is the relative Frobenius distance from the exact outcome, over all modules and of the worst.

    Raises:
        UsageError: the settings do not fit to layers, or to so many.
        InputError: the layers are not of one base, or do not stand on one another as the method needs.
    """
    _check(parents, settings, rank)
    below = _check_stack(parents) if settings.method == "stack" else _one_below(parents)
    shapes = _shapes(parents)
    trained = [parent for parent in parents if parent.spec.targets] or list(parents[:1])
    whole = sum(parent.spec.rank for parent in trained)
    kept = min(rank, whole) if rank and settings.method in ADDITIVE else rank or whole
    cut = settings.method not in ADDITIVE or kept < whole
    # the scale of the sum: where all have it nothing is rounded
    common = parents[0].spec.alpha / parents[0].spec.rank
    tensors: Tensors = {}
    squares: dict[str, tuple[float, float]] = {}
    for place, (module, shape) in enumerate(shapes.items()):
        progress(place, len(shapes), module)
        if settings.method in ADDITIVE:
            made, squares[module] = _summed(parents, settings, module, kept if cut else 0, common)
        else:
            dense = merge_differences(settings, f"{module}.weight", _dense(parents, module, shape), seed=seed)
            made, squares[module] = cut_to(dense, kept)
        made = padded(made, kept)
        tensors[f"{module}.a"], tensors[f"{module}.b"] = made.a, made.b
    progress(len(shapes), len(shapes), "")
    tokens = tuple(dict.fromkeys(token for parent in parents for token in parent.spec.tokens))
    tensors |= _rows(parents, settings, tokens)
    template, clashes = _template(parents, stack=settings.method == "stack")
    spec = msgspec.structs.replace(
        _spec(parents, tokens),
        rank=kept,
        alpha=kept * (1.0 if cut else common),
        chat_template=template,
        stands_on=below,
    )
    return spec, tensors, {
        "method": settings.method,
        "parents": [str(parent.folder) for parent in parents],
        "layers": [parent.sha256 for parent in parents],
        "rank": kept,
        "rank_of_the_sum": whole,
        "error": told_error(squares),
        "tokens": len(tokens),
        "clashes": clashes,
    }  # fmt: skip


def _check(parents: Sequence[LayerParent], settings: MergeSettings, rank: int) -> None:
    """Refuse settings that do not fit to layers, and layers of several bases."""
    if settings.method == "slerp":
        raise UsageError("slerp turns whole models, and these are layers", "add --as model, or use linear")
    if rank < 0:
        raise UsageError(f"rank = {rank}, expected 0 or more", "leave it out to keep the sum of the ranks")
    check_count(settings, parents, based=settings.method not in ("linear", "stack"))
    if settings.method == "stack" and (settings.weight or settings.lambda_ != 1):
        raise UsageError(
            "a stack takes no weights: each layer was trained on the one below", "use task_arithmetic"
        )
    _check_one_base(parents)


def told_error(squares: Mapping[str, tuple[float, float]]) -> dict[str, Any]:
    """{"all", "worst", "module"}: relative distances from (squared distance, squared norm) of each module."""
    each = {m: (gone / norm) ** 0.5 if norm else 0.0 for m, (gone, norm) in squares.items()}
    worst = max(each, key=lambda module: each[module], default="")
    norm = sum(norm for _, norm in squares.values())
    gone = sum(gone for gone, _ in squares.values())
    return {
        "all": _digits((gone / norm) ** 0.5 if norm else 0.0),
        "worst": _digits(each.get(worst, 0.0)),
        "module": worst,
    }


def _digits(value: float) -> float:
    return float(f"{value:.4g}") if value > 1e-7 else 0.0  # below, it is rounding of the figure itself


def licence_of(licences: Sequence[str]) -> str:
    """One SPDX expression that holds all of them."""
    parts = list(dict.fromkeys(licences))
    return " AND ".join(f"({part})" if " OR " in part and len(parts) > 1 else part for part in parts)


def _summed(
    parents: Sequence[LayerParent], settings: MergeSettings, module: str, rank: int, common: float
) -> tuple[Factors, tuple[float, float]]:
    """One module's sum as it is stored (`rank` 0: whole), and how far it is from what was meant."""
    weights = settings.weights(len(parents))
    share = settings.lambda_ / (sum(weights) if settings.divides else 1.0)
    parts = [
        Factors(found.a, found.b, found.scale * weight * share)
        for parent, weight in zip(parents, weights, strict=True)
        if (found := parent.factors(module)) is not None
    ]
    meant = joined(parts, common)
    if not rank:
        return Factors(stored(meant.a, exact=True), stored(meant.b, exact=True), common), (0.0, 1.0)
    made = product_cut(meant, rank)
    kept = Factors(stored(made.a), stored(made.b), made.scale)
    return kept, apart(meant, kept)


def cut_to(dense: Float, rank: int) -> tuple[Factors, tuple[float, float]]:
    """The nearest product of this rank as it is stored; (squared distance from the matrix, the matrix's squared norm)."""
    made = dense_cut(dense, rank)
    kept = Factors(stored(made.a), stored(made.b))
    gone = dense - (kept.b.astype(np.float32) @ kept.a.astype(np.float32))
    return kept, (float(np.sum(gone**2, dtype=np.float64)), float(np.sum(dense**2, dtype=np.float64)))


def _dense(parents: Sequence[LayerParent], module: str, shape: tuple[int, int]) -> Iterator[Float]:
    for parent in parents:
        found = parent.factors(module)
        if found is None:
            yield np.zeros(shape, np.float32)
        else:
            yield np.float32(found.scale) * (found.b.astype(np.float32) @ found.a.astype(np.float32))


def _shapes(parents: Sequence[LayerParent]) -> dict[str, tuple[int, int]]:
    """Every module that one of them changes, with its [out, in].

    Raises:
        InputError: two layers disagree, or one lacks blocks that another has.
    """
    shapes: dict[str, tuple[int, int]] = {}
    origin: dict[str, LayerParent] = {}
    for parent in parents:
        for name in parent.tensors:
            module, _, side = name.rpartition(".")
            if side != "a":
                continue
            shape = parent.tensors[f"{module}.b"].shape[0], parent.tensors[name].shape[1]
            if shapes.setdefault(module, shape) != shape:
                raise InputError(
                    f"{module} is {list(shapes[module])} in {origin[module].folder} and {list(shape)} in {parent.folder}",
                    "merge layers of one base",
                )
            origin.setdefault(module, parent)
    for parent in parents:
        for target in parent.spec.targets:
            lacking = [m for m in shapes if m.endswith(f".{target}") and f"{m}.a" not in parent.tensors]
            if lacking:
                raise InputError(
                    f"{parent.folder}: does not change {lacking[0]}, which {origin[lacking[0]].folder} does",
                    "merge layers of one base",
                )
    return shapes


def _check_one_base(parents: Sequence[LayerParent]) -> None:
    first = parents[0]
    for other in parents[1:]:
        if other.spec.base_sha256 != first.spec.base_sha256:
            raise InputError(
                f"{other.folder}: stands on the base '{other.spec.base_name}' (sha256 {other.spec.base_sha256[:12]}…),"
                f" {first.folder} on '{first.spec.base_name}' ({first.spec.base_sha256[:12]}…)",
                "merge layers of one base, or whole models with --as model",
            )
        if other.spec.architecture != first.spec.architecture:
            raise InputError(
                f"{other.folder}: for {other.spec.architecture}, {first.folder} for {first.spec.architecture}",
                "merge layers of one base",
            )


def _check_stack(parents: Sequence[LayerParent]) -> str | None:
    """What the whole stack stands on."""
    for lower, upper in itertools.pairwise(parents):
        if upper.spec.stands_on == lower.sha256:
            continue
        given = {parent.sha256: parent.folder for parent in parents}
        if upper.spec.stands_on is None:
            raise InputError(
                f"{upper.folder}: stands on the base alone, not on {lower.folder}",
                "add layers of one base with --method task_arithmetic",
            )
        wanted = given.get(upper.spec.stands_on)
        raise InputError(
            f"{upper.folder}: stands on the layer {upper.spec.stands_on[:12]}…, {lower.folder} is {lower.sha256[:12]}…",
            f"put {wanted} right before it"
            if wanted
            else "name the layer that it was trained on, right before it",
        )
    if parents[0].spec.stands_on is not None:
        raise InputError(
            f"{parents[0].folder}: is the lowest, and stands on the layer {parents[0].spec.stands_on[:12]}…",
            "name that layer first",
        )
    return None


def _one_below(parents: Sequence[LayerParent]) -> str | None:
    """The layer that all of them stand on."""
    for other in parents[1:]:
        if other.spec.stands_on != parents[0].spec.stands_on:
            one, two = (
                p.spec.stands_on and f"the layer {p.spec.stands_on[:12]}…" for p in (parents[0], other)
            )
            raise InputError(
                f"{parents[0].folder} stands on {one or 'the base alone'}, {other.folder} on {two or 'the base alone'}",
                "merge layers that stand on the same, or use --method stack",
            )
    return parents[0].spec.stands_on


def _rows(parents: Sequence[LayerParent], settings: MergeSettings, tokens: Sequence[str]) -> Tensors:
    """`model.embed_tokens.rows` and, untied, `lm_head.rows` of the union of added tokens."""
    owners = [parent for parent in parents if parent.spec.tokens]
    names = sorted({name for parent in owners for name in parent.tensors if name.endswith(".rows")})
    numbers = {token: place for place, token in enumerate(tokens)}
    weight = {id(p): max(abs(w), 1e-9) for p, w in zip(parents, settings.weights(len(parents)), strict=True)}
    out: Tensors = {}
    for name in names:
        lacking = [parent for parent in owners if name not in parent.tensors]
        if lacking:
            raise InputError(
                f"{lacking[0].folder}: has no {name}, others of this base have", "make the layer again"
            )
        widths = {parent.tensors[name].shape[1] for parent in owners}
        if len(widths) > 1:
            raise InputError(
                f"{name}: rows of {min(widths)} and {max(widths)} numbers", "merge layers of one base"
            )
        sums = np.zeros((len(tokens), widths.pop()), np.float32)
        shares = np.zeros((len(tokens), 1), np.float32)
        for parent in owners:
            places = np.array([numbers[token] for token in parent.spec.tokens])
            rows = parent.tensors[name].astype(np.float32)
            if settings.method == "stack":
                sums[places], shares[places] = rows, 1
            else:
                sums[places] += np.float32(weight[id(parent)]) * rows
                shares[places] += np.float32(weight[id(parent)])
        out[name] = stored(sums / shares, exact=settings.method == "stack")
    return out


def _spec(parents: Sequence[LayerParent], tokens: tuple[str, ...]) -> LayerSpec:
    """What the outcome has of its parents, with the first one's rank and scale."""
    first = parents[0].spec
    return LayerSpec(
        base_name=first.base_name,
        base_sha256=first.base_sha256,
        architecture=first.architecture,
        rank=first.rank,
        alpha=first.alpha,
        targets=tuple(t for t in MODULES if any(t in parent.spec.targets for parent in parents)),
        tokens=tokens,
        merges=tuple(dict.fromkeys(merge for parent in parents for merge in parent.spec.merges)),
        licence=licence_of([parent.spec.licence for parent in parents]),
    )


def _template(parents: Sequence[LayerParent], *, stack: bool) -> tuple[str | None, list[str]]:
    given = [(p.folder, p.spec.chat_template) for p in parents if p.spec.chat_template is not None]
    if not given:
        return None, []
    folder, kept = given[-1] if stack else given[0]
    clash = len({template for _, template in given}) > 1
    return kept, [f"chat template: that of {folder} is kept, others differ"] if clash else []
