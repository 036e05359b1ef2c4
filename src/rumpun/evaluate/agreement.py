"""How far a judge agrees with people: raw agreement and Cohen's kappa, a language at a time, with intervals.

Source: Cohen (1960), Educational and Psychological Measurement 20: kappa = (observed - expected) / (1 - expected).
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rumpun.errors import InputError
from rumpun.evaluate.items import id_of, rows_of
from rumpun.evaluate.records import Figure, Sample
from rumpun.measure.draws import Counts, Floats, figure_interval

__all__ = ["Label", "agreement", "agreement_of", "read_labels"]

ALL = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One person's word on one criterion of one answer."""

    id: str  # of the item
    turn: int  # from 1
    criterion: str
    met: bool
    language: str = ""
    model: str = ""  # whose answer; the run's first model where none is named
    answer: str = ""  # the answer that was read, where it is given: a label of another one does not count


def read_labels(path: Path) -> list[Label]:
    """Lines {"id", "turn", "criterion", "met"}, perhaps with "language", "model" and "answer".

    Raises:
        InputError: a line is malformed; what is missing or wrong is named.
    """
    found = []
    for number, row in enumerate(rows_of(path), 1):
        where = f"{path}: row {number}"
        turn, met = row.get("turn"), row.get("met")
        if isinstance(turn, bool) or not isinstance(turn, int) or turn < 1:
            raise InputError(f"{where}: turn is {turn!r}", "give the number of the turn, from 1")
        if not isinstance(met, bool):
            raise InputError(f"{where}: met is {met!r}", "write true or false")
        texts = {key: row.get(key, "") for key in ("criterion", "language", "model", "answer")}
        for key, value in texts.items():
            if not isinstance(value, str) or (key == "criterion" and not value):
                raise InputError(f"{where}: {key} is {value!r}", "write it as text")
        found.append(Label(id=id_of(row, where), turn=turn, met=met, **texts))
    if not found:
        raise InputError(f"{path}: no labels", 'write lines {"id", "turn", "criterion", "met"}')
    return found


def agreement(
    labels: Sequence[Label], samples: Sequence[Sample], model: str, *, seed: int = 0
) -> dict[str, Any]:
    """What people and the judge say of the same answers, by language, and `*` over several.

    Args:
        labels: people's.
        samples: judged ones of a run; those of its first run (run 0) are compared.
        model: the model that is meant where a label names none.
        seed: of the intervals.

    Returns:
        {"languages": {tag: see `agreement_of`}, "not compared": labels of an item, criterion or answer that is not in
        the run, or on which the judge gave no verdict}.
    """
    by = {(one.model, one.id): one for one in samples if one.run == 0 and one.more.get("turns")}
    pairs: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    items: dict[str, list[Hashable]] = defaultdict(list)
    lost = 0
    for label in labels:
        sample = by.get((label.model or model, label.id))
        said = _said(label, sample) if sample is not None else None
        if sample is None or said is None:
            lost += 1
            continue
        for tag in (sample.language, ALL):
            pairs[tag].append((label.met, said))
            items[tag].append((sample.model, sample.group or sample.id))
    tags = sorted(set(pairs) - {ALL}) + ([ALL] if len(pairs) > 2 else [])
    told = {tag: agreement_of(pairs[tag], items[tag], seed=seed) for tag in tags}
    return {"languages": told, "not compared": lost}


def _said(label: Label, sample: Sample) -> bool | None:
    """The judge's verdict on what a label is about; None where there is none."""
    turns = sample.more["turns"]
    if label.turn > len(turns) or (label.language and label.language != sample.language):
        return None
    turn = turns[label.turn - 1]
    if label.answer and label.answer.strip() != turn["answer"].strip():
        return None
    met = [one["met"] for one in turn["criteria"] if one["criterion"] == label.criterion]
    return met[0] if met else None


def agreement_of(
    pairs: Sequence[tuple[bool, bool]], items: Sequence[Hashable], *, draws: int = 2_000, seed: int = 0
) -> dict[str, Any]:
    """{"labels", "items", "raw": Figure, "kappa": Figure or None} of (a person's, the judge's) words.

    Labels of one item are drawn together. Kappa is None where all words are the same: chance alone would agree wholly.
    """
    at = _figures(pairs)
    points = at(np.ones((1, len(pairs)), np.int64))
    spans = figure_interval(at, len(pairs), clusters=items, draws=draws, seed=seed)
    figures = {
        name: None if np.isnan(value[0]) else Figure(value=float(value[0]), ci95=spans[name])
        for name, value in points.items()
    }
    return {"labels": len(pairs), "items": len(set(items)), **figures}


def _figures(pairs: Sequence[tuple[bool, bool]]) -> Callable[[Counts], dict[str, Floats]]:
    human, judge = np.array(pairs, bool).T

    def at(counts: Counts) -> dict[str, Floats]:
        total = counts.sum(axis=1).astype(np.float64)
        raw = counts @ (human == judge) / total
        yes, said = counts @ human / total, counts @ judge / total
        chance = yes * said + (1 - yes) * (1 - said)
        kappa = np.divide(raw - chance, 1 - chance, out=np.full(len(raw), np.nan), where=chance < 1 - 1e-12)
        return {"raw": raw, "kappa": kappa}

    return at
