"""Thresholds from each language's own documents, kept as data: `thresholds.json` says value, how it was found and from what.

Where a language has too few trusted documents, its sisters are asked in the order of its table, and where none has enough
the rule's lenient bound stands. A recipe's own values win over all.
"""

import functools
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from rumpun.corpus.tag.lines import mixed
from rumpun.errors import nearest
from rumpun.language.tables import fallback
from rumpun.recipes import build

__all__ = ["EVERY", "Rule", "Samples", "Threshold", "check_given", "derive", "encoded", "rules"]

EVERY = "all"  # in a recipe's thresholds: every language
LINES = "figures.lines"
SAMPLE = 50_000  # trusted documents of a language that its thresholds are derived from, at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of rules.toml."""

    name: str  # "stage.rule"
    how: Literal["policy", "fixed", "quantile", "mad"]
    why: str
    figure: str = ""  # the column; empty: the rule's own name
    side: Literal["low", "high"] = "high"  # which side of the threshold fails
    value: float | None = None  # of a fixed threshold
    quantile: float = 0.0
    slack: float = 0.0
    times: float = 0.0
    lowest: float = 0.0
    highest: float = 0.0
    otherwise: float = 0.0
    lines: int = 0  # that a document needs to be asked; fewer say nothing of a share of lines

    def check(self) -> None:
        """Refuse what cannot be meant."""
        if "." not in self.name:
            raise ValueError(f"name = {self.name!r}: expected stage.rule")
        if self.how in ("quantile", "mad") and not self.lowest <= self.otherwise <= self.highest:
            raise ValueError(f"{self.name}: otherwise = {self.otherwise} is not between lowest and highest")

    @property
    def column(self) -> str:
        """The column of attributes that it looks at; empty for a rule without threshold."""
        return "" if self.how == "policy" else self.figure or self.name


class Threshold(msgspec.Struct, frozen=True, kw_only=True):
    """A threshold of one language."""

    value: float | None  # None: the rule is off
    side: str
    how: str  # fixed, quantile, mad, otherwise, recipe
    of: str = ""  # the language whose documents it was derived from
    documents: int = 0  # that it was derived from


@functools.cache
def rules() -> tuple[Rule, ...]:
    """Every rule, in the order in which they are asked."""
    table = tomllib.loads((Path(__file__).parent / "rules.toml").read_text(encoding="utf-8"))
    return tuple(build(Rule, item, f"rules.toml: {item.get('name', '?')}") for item in table["rule"])


class Samples:
    """Figures of each language's trusted documents: of more than SAMPLE, those with the smallest hash of their key.

    Which they are depends on the keys alone, not on parts, order or workers.
    """

    def __init__(self, figures: Sequence[str], most: int = SAMPLE) -> None:
        self.figures = list(figures)
        self._most = most
        self._kept: dict[str, list[tuple[NDArray[np.uint64], NDArray[np.float32]]]] = {}
        self._count: dict[str, int] = {}

    def add(self, language: str, keys: NDArray[np.uint64], values: NDArray[np.float32]) -> None:
        """Trusted documents of one language: keys [n], values [n, figures] with NaN for null."""
        self._kept.setdefault(language, []).append((mixed(keys.astype(np.uint64)), values))
        self._count[language] = self._count.get(language, 0) + len(keys)
        if self._count[language] > 2 * self._most:
            self._prune(language)

    def _prune(self, language: str) -> None:
        hashes = np.concatenate([part[0] for part in self._kept[language]])
        values = np.concatenate([part[1] for part in self._kept[language]])
        order = np.argsort(hashes, kind="stable")[: self._most]
        self._kept[language] = [(hashes[order], values[order])]
        self._count[language] = len(order)

    def values(self, language: str, figure: str, lines: int = 0) -> NDArray[np.float64]:
        """The figure of the language's sampled documents with so many lines, without nulls; empty where there are none."""
        if language not in self._kept or figure not in self.figures:
            return np.zeros(0)
        if len(self._kept[language]) > 1 or self._count[language] > self._most:
            self._prune(language)
        values = self._kept[language][0][1]
        column = values[:, self.figures.index(figure)].astype(np.float64)
        asked = ~np.isnan(column)
        if lines and LINES in self.figures:
            asked &= values[:, self.figures.index(LINES)] >= lines
        return column[asked]


def _at(ordered: NDArray[np.float64], quantile: float) -> float:
    """The quantile of sorted values, between two of them in proportion (numpy's "linear")."""
    place = quantile * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below] + (place - below) * (ordered[above] - ordered[below]))


def _derived(rule: Rule, values: NDArray[np.float64]) -> float:
    ordered = np.sort(values)
    middle = _at(ordered, 0.5)
    if rule.how == "mad":
        spread = rule.times * _at(np.sort(np.abs(ordered - middle)), 0.5)
        edge = middle - spread if rule.side == "low" else middle + spread
    else:
        at = _at(ordered, rule.quantile)
        edge = at + rule.slack * (at - middle)
    return min(max(edge, rule.lowest), rule.highest)


def derive(
    samples: Samples,
    tags: Sequence[str],
    *,
    least_documents: int,
    given: Mapping[str, Mapping[str, float]],
) -> dict[str, dict[str, Threshold]]:
    """Language -> rule -> threshold, for every rule that has one.

    Args:
        samples: figures of trusted documents.
        tags: the languages to derive for.
        least_documents: with fewer trusted documents a language asks its sisters.
        given: language (or EVERY) -> rule -> value, from the recipe.
    """
    having = [rule for rule in rules() if rule.how != "policy"]
    found: dict[str, dict[str, Threshold]] = {}
    for tag in tags:
        found[tag] = {}
        for rule in having:
            value = given.get(tag, {}).get(rule.name, given.get(EVERY, {}).get(rule.name))
            if value is not None:
                found[tag][rule.name] = Threshold(value=value, side=rule.side, how="recipe")
            elif rule.how == "fixed":
                found[tag][rule.name] = Threshold(value=rule.value, side=rule.side, how="fixed")
            else:
                found[tag][rule.name] = _own_or_sister(rule, tag, samples, least_documents)
    return found


def _own_or_sister(rule: Rule, tag: str, samples: Samples, least: int) -> Threshold:
    for name in (tag, *fallback(tag)):
        values = samples.values(name, rule.column, rule.lines)
        if len(values) >= least:
            value = round(_derived(rule, values), 6)
            return Threshold(value=value, side=rule.side, how=rule.how, of=name, documents=len(values))
    return Threshold(value=rule.otherwise, side=rule.side, how="otherwise")


def check_given(given: Mapping[str, Mapping[str, float]]) -> None:
    """Refuse thresholds of a recipe (language or EVERY -> rule -> value) that no rule has, or that are no number.

    Raises:
        ValueError: names the place and, for a rule, the nearest.
    """
    known = [rule.name for rule in rules() if rule.how != "policy"]
    for tag, values in given.items():
        for name, value in values.items():
            if name not in known:
                raise ValueError(
                    f"thresholds.{tag}: no rule with a threshold is called '{name}' ({nearest(name, known)})"
                )
            if not math.isfinite(value):
                raise ValueError(f"thresholds.{tag}: '{name}' = {value}: expected a number")


def encoded(found: Mapping[str, Mapping[str, Threshold]], about: Mapping[str, Any]) -> bytes:
    """thresholds.json."""
    return msgspec.json.format(
        msgspec.json.encode({**about, "thresholds": found}, order="deterministic"), indent=1
    )
