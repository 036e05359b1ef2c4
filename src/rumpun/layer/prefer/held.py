"""What a layer makes of held-out pairs, before and after: shares with intervals, margins, each language and rule."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rumpun.layer.prefer.losses import preference_loss
from rumpun.layer.prefer.tokens import Pair
from rumpun.measure.means import mean_interval

if TYPE_CHECKING:
    import numpy.typing as npt
    import torch

    from rumpun.layer.prefer.params import PreferParams

__all__ = ["held_figures", "margins"]


def margins(
    params: "PreferParams", policy: "torch.Tensor", reference: "torch.Tensor", tokens: "torch.Tensor"
) -> "npt.NDArray[np.float64]":
    """The method's margin [p] of each pair."""
    found: npt.NDArray[np.float64] = preference_loss(params, policy, reference, tokens)[1].double().numpy()
    return found


def held_figures(
    pairs: Sequence[Pair],
    margin: "npt.NDArray[np.float64]",
    likelier: "tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]",
) -> dict[str, Any]:
    """Figures of all pairs, of each language and of each rule.

    `accuracy` is the share of pairs whose margin is above 0; `likelier_before` and `likelier_after` the share whose chosen
    answer is more probable a token than the rejected one, which can be said of the start too. Intervals hold 95 %; pairs of
    one prompt count as one cluster.

    Args:
        pairs: held out.
        margin: [p] after training.
        likelier: [p] before and after training.
    """
    if not pairs:
        return {"pairs": 0}
    whole = _figures(pairs, margin, likelier, np.ones(len(pairs), dtype=np.bool_))
    return whole | {
        "by_language": _groups(pairs, margin, likelier, lambda pair: pair.language),
        "by_rule": _groups(pairs, margin, likelier, lambda pair: pair.rule),
    }


def _groups(pairs: Sequence[Pair], margin: Any, likelier: Any, of: Callable[[Pair], str]) -> dict[str, Any]:
    names = np.array([of(pair) for pair in pairs])
    return {name: _figures(pairs, margin, likelier, names == name) for name in sorted(set(names.tolist()))}


def _figures(pairs: Sequence[Pair], margin: Any, likelier: Any, mine: Any) -> dict[str, Any]:
    clusters = [pair.prompt for pair, yes in zip(pairs, mine, strict=True) if yes]
    found: dict[str, Any] = {"pairs": int(mine.sum()), "prompts": len(set(clusters))}
    shares = {
        "accuracy": margin > 0,
        "likelier_before": likelier[0],
        "likelier_after": likelier[1],
    }
    for name, flags in shares.items():
        values = flags[mine].astype(np.float64)
        found[name] = round(float(values.mean()), 4)
        found[f"{name}_interval"] = _ends(mean_interval(values, clusters=clusters))
    found["margin"] = round(float(margin[mine].mean()), 4)
    found["margin_interval"] = _ends(mean_interval(margin[mine], clusters=clusters, bounds=None))
    return found


def _ends(interval: tuple[float, float] | None) -> list[float] | None:
    return None if interval is None else [round(end, 4) for end in interval]
