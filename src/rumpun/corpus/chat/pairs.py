"""Parallel text as chat rows: a request to translate, in the source's or the target's language, and the translation.

Software strings, courses and scripture are most of what there is: each domain may give only a share, machine translation
less, so that a model does not learn to speak like a settings menu.
"""

import dataclasses
import functools
import hashlib
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rumpun.corpus.chat.balance import Cell, allot
from rumpun.corpus.chat.params import ChatParams
from rumpun.corpus.chat.read import Row, check_file, pair_rows
from rumpun.corpus.chat.refusals import text_refusals
from rumpun.corpus.chat.rows import ChatRows, Known, chat_line
from rumpun.corpus.letters import Letters, member
from rumpun.corpus.order import order_key
from rumpun.corpus.read.inventory import Unit
from rumpun.records.licences import shippable

__all__ = ["add_pairs", "language_of_pair", "request"]

_LONGER_TIMES = 6.0  # a side with so many times the other's characters is no translation (Chinese is short)


@functools.cache
def _forms() -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / "translate.toml").read_text(encoding="utf-8"))


def request(text: str, source: str, target: str, choice: int) -> str:
    """A request to translate `text`, in the source's or target's language as `choice` (any whole number) says."""
    speakers = [tag for tag in (source, target) if target in _forms().get(tag, {}).get("names", {})] or ["en"]
    form = _forms()[speakers[choice % len(speakers)]]
    ask: str = form["ask"][choice // 2 % len(form["ask"])]
    return ask.format(target=form["names"].get(target, target), text=text)


def language_of_pair(row: Row) -> str:
    """The language whose budget a pair takes: the side that is not English, the target where neither is."""
    return str(row["src_lang"] if row["tgt_lang"] == "en" else row["tgt_lang"])


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a pair that may be taken lies."""

    order: int
    unit: int
    row: int  # in the unit, from 0
    identity: str
    source: str
    domain: str


def _fits(row: Row, params: ChatParams) -> str:
    """Why a pair is refused by its labels and lengths, or an empty string."""
    shorter, longer = sorted((len(row["src"]), len(row["tgt"])))
    held = params.held_out_sources
    if not shippable(row["licence"]):
        return "licence may not stand behind a shipped layer"
    if row["domain"] in params.exclude_domains:
        return "domain is not running text"
    if any(row["source"] in held.get(row[f"{side}_lang"], ()) for side in ("src", "tgt")):
        return "held-out source, not measured"
    if longer > params.max_characters_per_turn:
        return "too long"
    if longer > _LONGER_TIMES * shorter:
        return "lengths too far apart"
    return ""


def _reasons(rows: Sequence[Row], params: ChatParams, known: Known) -> list[str]:
    """For each pair the reason why it is refused, or an empty string."""
    shorter = max(
        1, min(params.min_characters, 6)
    )  # Chinese says in six characters what takes twenty in English
    tests = dataclasses.replace(params, min_characters=shorter)
    sides = [(Letters([row[s] for row in rows]), [row[f"{s}_lang"] for row in rows]) for s in ("src", "tgt")]
    refused = [text_refusals(letters, tags, tests) for letters, tags in sides]
    evaluated = np.zeros(len(rows), dtype=np.bool_)
    leaked = np.zeros(len(rows), dtype=np.bool_)
    same = sides[0][0].keys() == sides[1][0].keys()
    for letters, tags in sides:
        evaluated |= member(letters.keys(), known.evaluation)
        for tag in sorted(set(tags) & set(known.held_out)):
            leaked |= known.held_out[tag].hits(letters) & np.array([t == tag for t in tags])
    marks = ((same, "not translated"), (leaked, "overlaps held-out"), (evaluated, "overlaps evaluation data"))
    found: list[str] = []
    for n, row in enumerate(rows):
        reason = refused[0][n] or refused[1][n] or _fits(row, params)
        found.append(reason or next((name for mark, name in marks if mark[n]), ""))
    return found


class _Pairs:
    """Every pair that may be taken, by language and by source and domain."""

    def __init__(self, params: ChatParams, known: Known, seed: int, into: ChatRows) -> None:
        self._params, self._known, self._seed, self._into = params, known, seed, into
        self._seen: set[int] = set()
        self.places: dict[str, dict[Cell, list[_Place]]] = {}

    def read(self, number: int, unit: Unit) -> None:
        """Read one file; what may not be taken is dropped with its reason."""
        check_file(unit)
        first = 0
        for batch in pair_rows(unit):
            asked = [
                (first + n, row)
                for n, row in enumerate(batch)
                if row["src_lang"] in unit.languages and row["tgt_lang"] in unit.languages
            ]
            first += len(batch)
            self._into.read += len(batch)
            if len(asked) < len(batch):
                self._into.dropped["language not asked for"] += len(batch) - len(asked)
            reasons = _reasons([row for _, row in asked], self._params, self._known) if asked else []
            for (at, row), reason in zip(asked, reasons, strict=True):
                self._take(number, at, row, reason)

    def _take(self, number: int, at: int, row: Row, reason: str) -> None:
        language = language_of_pair(row)
        both = f"{row['src']}\n{row['tgt']}".encode("utf-8", "surrogatepass")
        key = int.from_bytes(hashlib.blake2b(both, digest_size=8).digest(), "little")
        reason = reason or ("duplicate" if key in self._seen else "")
        if reason:
            self._into.drop(row["id"], row["source"], language, reason)
            return
        self._seen.add(key)
        order = order_key(self._seed, row["source"], row["id"], str(at))
        place = _Place(order, number, at, row["id"], row["source"], row["domain"])
        cells = self.places.setdefault(language, {})
        cells.setdefault((place.source, place.domain), []).append(place)

    def chosen(self) -> dict[int, dict[int, int]]:
        """Unit -> row -> order of the pairs that the budgets take; the others are dropped."""
        params = self._params
        found: dict[int, dict[int, int]] = {}
        for language, cells in sorted(self.places.items()):
            shares = allot(
                {cell: len(places) for cell, places in cells.items()},
                params.pair_rows_per_language,
                source_share=1.0,
                domain_share=lambda domain: params.domain_shares.get(
                    domain, params.max_share_per_pair_domain
                ),
                machine_share=params.max_share_machine_translated,
            )
            for cell, places in cells.items():
                for n, place in enumerate(sorted(places, key=lambda p: (p.order, p.unit, p.row))):
                    if n < shares[cell]:
                        found.setdefault(place.unit, {})[place.row] = place.order
                    else:
                        self._into.drop(place.identity, place.source, language, "over budget")
        return found


def add_pairs(
    units: Sequence[Unit],
    params: ChatParams,
    known: Known,
    seed: int,
    into: ChatRows,
    *,
    progress: Callable[[str], None],
) -> None:
    """Add translation rows from parallel files, `pair_rows_per_language` for each language at most."""
    pairs = _Pairs(params, known, seed, into)
    for number, unit in enumerate(units):
        pairs.read(number, unit)
        progress(f"pairs of {unit.source}")
    for number, wanted in sorted(pairs.chosen().items()):
        first = 0
        for batch in pair_rows(units[number]):
            for n, row in enumerate(batch, first):
                if n in wanted:
                    into.train.append((wanted[n], _line(row, wanted[n])))
            first += len(batch)


def _line(row: Row, order: int) -> dict[str, Any]:
    source, target = ("src", "tgt") if order & 1 else ("tgt", "src")
    asked = request(row[source], row[f"{source}_lang"], row[f"{target}_lang"], order >> 1)
    return chat_line(asked, row[target], language_of_pair(row), row["source"], row["licence"])
