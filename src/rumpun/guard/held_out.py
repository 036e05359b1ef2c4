"""Measure a guard on labelled rows: aggregate numbers alone, no text.

For each set and language: average precision, recall at 1 % and 5 % false positives, F1 and the shares flagged at each
operating point; with 95 % intervals (Wilson's for shares, resampled for the others). A figure that needs rows of a kind
that is not there is left out.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rumpun.guard.judgement import POINTS
from rumpun.guard.rows import Row
from rumpun.measure.ranking import auprc, f1, recall_at, resampled
from rumpun.measure.rates import auroc, wilson

if TYPE_CHECKING:
    from rumpun.guard.guard import Guard

__all__ = ["figures", "measure", "probe", "readable", "reliability"]

Floats = npt.NDArray[np.float32]
_FEW = 20  # rows of a side, below which no ranking is told


def measure(guard: "Guard", rows: Sequence[Row]) -> list[dict[str, Any]]:
    """One entry for each set, language and role, in that order."""
    if not rows:
        return []
    viewed = [row.exchange.views() for row in rows]
    every, _ = guard.logits([text for views in viewed for text in views])
    logits = np.maximum.reduceat(every, np.cumsum([0, *map(len, viewed[:-1])]), axis=0)
    groups: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for n, row in enumerate(rows):
        groups[row.source, row.language, row.role].append(n)
    found = []
    for (name, language, role), places in sorted(groups.items()):
        mine = [rows[n] for n in places]
        odds = guard.heads.probabilities(logits[places], language)
        entry: dict[str, Any] = {"set": name, "language": language}
        if role == "answer":
            entry["role"] = role
        entry |= figures(
            odds[:, 0], mine, {p: guard.heads.threshold("harm", language, p, mine[0].role)[1] for p in POINTS}
        )
        entry |= _categories(guard, odds, mine)
        found.append(entry)
    return found


def figures(scores: Floats, rows: Sequence[Row], thresholds: "dict[Any, float]") -> dict[str, Any]:
    """Figures of the head for harm over the rows of one set and language."""
    unsafe = np.array([row.unsafe for row in rows])
    sensitive = np.array([row.sensitive for row in rows])
    positive, negative = scores[unsafe], scores[~unsafe]
    found: dict[str, Any] = {"unsafe": len(positive), "safe": len(negative)}
    if min(len(positive), len(negative)) >= _FEW:
        found["auprc"] = _ranked(auprc, positive, negative)
        found["auroc"] = round(auroc(positive, negative), 4)
        for share in (0.01, 0.05):
            found[f"recall_at_{share:g}"] = _ranked(
                lambda p, n, s=share: recall_at(p, n, s), positive, negative
            )
    for point, least in thresholds.items():
        own: dict[str, Any] = {}
        over = scores >= least
        for name, kind in (
            ("recall", unsafe),
            ("ordinary", ~unsafe & ~sensitive),
            ("sensitive", ~unsafe & sensitive),
        ):
            if kind.any():
                own[name] = _share(int(over[kind].sum()), int(kind.sum()))
        if len(positive) and len(negative):
            own["f1"] = _ranked(_f1, over[unsafe], over[~unsafe])
        found[point] = own
    return found


def _categories(guard: "Guard", odds: Floats, rows: Sequence[Row]) -> dict[str, Any]:
    """Category -> average precision against the rows of other categories and the safe ones."""
    found = {}
    for place, label in enumerate(guard.heads.spec.labels[1:], 1):
        own = np.array([label in row.categories for row in rows])
        told = np.array([not row.unsafe or bool(row.categories) for row in rows])
        if min(own.sum(), (told & ~own).sum()) >= _FEW:
            positive, negative = odds[own, place], odds[told & ~own, place]
            found[label] = {
                "rows": int(own.sum()),
                "auprc": round(auprc(positive, negative), 4),
                "auroc": round(auroc(positive, negative), 4),
            }
    return {"categories": found} if found else {}


def _f1(unsafe: "npt.NDArray[np.bool_]", safe: "npt.NDArray[np.bool_]") -> float:
    """F1 of what is flagged of both sides."""
    hits = int(unsafe.sum())
    return f1(hits, len(unsafe) - hits, int(safe.sum()))


def _ranked(figure: Any, positive: "npt.NDArray[Any]", negative: "npt.NDArray[Any]") -> dict[str, float]:
    low, high = resampled(figure, positive, negative)
    return {"figure": round(figure(positive, negative), 4), "low": round(low, 4), "high": round(high, 4)}


def _share(flagged: int, rows: int) -> dict[str, Any]:
    low, high = wilson(flagged, rows)
    return {
        "rows": rows,
        "flagged": flagged,
        "share": round(flagged / rows, 4),
        "low": round(low, 4),
        "high": round(high, 4),
    }


def probe(rows: Sequence[Row], seed: int) -> dict[str, float]:
    """How well language, length and source tell the label, without any meaning: areas under the ROC curve.

    `language_and_length` near 0.5 is what balancing is for; with `source` it is near 1 wherever a source has one label
    alone. Each is measured in five parts, the part measured left out of the fit, rows weighed as the heads weigh them.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold

    from rumpun.guard.fit import balance

    own = np.array([row.unsafe for row in rows])
    weights = balance(rows, own)
    length = np.log1p([[len(row.text)] for row in rows])
    kinds = {"language": [row.language for row in rows], "source": [row.source for row in rows]}
    coded = {name: _one_hot(values) for name, values in kinds.items()}
    features = {
        "language": coded["language"],
        "language_and_length": np.hstack([coded["language"], length]),
        "language_length_and_source": np.hstack([coded["language"], length, coded["source"]]),
    }
    found = {}
    for name, columns in features.items():
        scores = np.zeros(len(rows))
        for fit, rest in StratifiedKFold(5, shuffle=True, random_state=seed).split(columns, own):
            model = LogisticRegression(max_iter=500).fit(columns[fit], own[fit], sample_weight=weights[fit])
            scores[rest] = model.decision_function(columns[rest])
        found[name] = round(_weighted_auroc(scores, own, weights), 4)
    return found


def _one_hot(values: list[str]) -> "npt.NDArray[np.float64]":
    known = sorted(set(values))
    columns: npt.NDArray[np.float64] = (np.array(values)[:, None] == np.array(known)[None]).astype(float)
    return columns


def _weighted_auroc(
    scores: "npt.NDArray[np.float64]", own: "npt.NDArray[np.bool_]", weights: "npt.NDArray[np.float64]"
) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(own, scores, sample_weight=weights))


def readable(entries: Sequence[dict[str, Any]]) -> list[str]:
    """A line for each figure."""
    lines = []
    for entry in entries:
        head = f"{entry['set']:20} {entry['language']:6} {entry.get('role', 'prompt'):7}"
        for name in ("auprc", "recall_at_0.01", "recall_at_0.05"):
            if name in entry:
                f = entry[name]
                lines.append(f"{head} {name:22} {f['figure']:.3f}  [{f['low']:.3f}, {f['high']:.3f}]")
        for point in POINTS:
            for name, share in entry[point].items():
                told = share.get("share", share.get("figure"))
                rows = f"  {share['rows']} rows" if "rows" in share else ""
                lines.append(
                    f"{head} {point + ' ' + name:22} {told:.3f}  [{share['low']:.3f}, {share['high']:.3f}]{rows}"
                )
        for category, f in entry.get("categories", {}).items():
            lines.append(
                f"{head} {category:22} auprc {f['auprc']:.3f}  auroc {f['auroc']:.3f}  {f['rows']} rows"
            )
    return lines


def reliability(guard: "Guard", rows: Sequence[Row], least: int = 40) -> dict[str, dict[str, Any]]:
    """Language (and "any") -> expected calibration error (Naeini et al. 2015) and the share of unsafe rows in each tenth.

    Only where both sides have `least` rows. Both sides weigh the same, as the probability means.
    """
    logits, _ = guard.logits([row.text for row in rows])
    odds = np.array([guard.heads.probabilities(logits[n], row.language)[0] for n, row in enumerate(rows)])
    unsafe = np.array([row.unsafe for row in rows])
    found = {}
    for language in ("any", *sorted({row.language for row in rows})):
        own = np.array([language in ("any", row.language) for row in rows])
        sides = int(unsafe[own].sum()), int((~unsafe[own]).sum())
        if min(sides) < least:
            continue
        weight = np.where(unsafe, 0.5 / sides[0], 0.5 / sides[1]) * own
        tenth = np.minimum((odds * 10).astype(int), 9)
        mass = np.bincount(tenth, weight, 10)
        share = np.bincount(tenth, weight * unsafe, 10) / np.maximum(mass, 1e-12)
        mean = np.bincount(tenth, weight * odds, 10) / np.maximum(mass, 1e-12)
        found[language] = {
            "rows": int(own.sum()),
            "error": round(float((mass * np.abs(share - mean)).sum()), 4),
            "bins": [round(float(s), 3) if m > 0 else None for s, m in zip(share, mass, strict=True)],
        }
    return found
