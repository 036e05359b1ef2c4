"""Parallel text as chat rows: a request to translate, in the source's or the target's language, and the translation.

Software strings, courses and scripture are most of what there is: each domain may give only a share, machine translation
less, so that a model does not learn to speak like a settings menu.
"""

import dataclasses
import functools
import hashlib
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rumpun.corpus.balance import allot
from rumpun.corpus.chat import ChatRows, Known, chat_line
from rumpun.corpus.filters import text_refusals
from rumpun.corpus.inventory import Unit
from rumpun.corpus.letters import Letters, member
from rumpun.corpus.params import BuildParams
from rumpun.corpus.read import Row, check_file, pair_rows
from rumpun.corpus.spool import order_key
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


def _reasons(rows: Sequence[Row], params: BuildParams, known: Known) -> list[str]:
    tests = _pair_params(params)
    sides = [(Letters([row[s] for row in rows]), [row[f"{s}_lang"] for row in rows]) for s in ("src", "tgt")]
    refused = [text_refusals(letters, tags, tests) for letters, tags in sides]
    evaluated = np.zeros(len(rows), dtype=np.bool_)
    leaked = np.zeros(len(rows), dtype=np.bool_)
    same = sides[0][0].keys() == sides[1][0].keys()
    for letters, tags in sides:
        evaluated |= member(letters.keys(), known.evaluation)
        for tag in sorted(set(tags) & set(known.held_out)):
            leaked |= known.held_out[tag].hits(letters) & np.array([t == tag for t in tags])
    found: list[str] = []
    for n, row in enumerate(rows):
        lengths = sorted((len(row["src"]), len(row["tgt"])))
        reason = refused[0][n] or refused[1][n]
        if not shippable(row["licence"]):
            reason = "licence may not stand behind a shipped layer"
        elif row["domain"] in params.exclude_domains:
            reason = "domain is not running text"
        elif any(row["source"] in params.held_out_sources.get(row[f"{s}_lang"], ()) for s in ("src", "tgt")):
            reason = "held-out source, not measured"
        elif lengths[1] > params.max_characters_per_turn:
            reason = "too long"
        elif not reason and lengths[1] > _LONGER_TIMES * lengths[0]:
            reason = "lengths too far apart"
        elif not reason and same[n]:
            reason = "not translated"
        elif not reason and leaked[n]:
            reason = "overlaps held-out"
        elif not reason and evaluated[n]:
            reason = "overlaps evaluation data"
        found.append(reason)
    return found


def _pair_params(params: BuildParams) -> BuildParams:
    shorter = max(
        1, min(params.min_characters, 6)
    )  # Chinese says in six characters what takes twenty in English
    return dataclasses.replace(params, min_characters=shorter)


def _scan(
    number: int, unit: Unit, params: BuildParams, known: Known, seen: set[int], seed: int, into: ChatRows
) -> Iterator[tuple[str, _Place]]:
    check_file(unit)
    at = -1
    for batch in pair_rows(unit):
        asked = [
            row for row in batch if row["src_lang"] in unit.languages and row["tgt_lang"] in unit.languages
        ]
        into.read += len(batch)
        into.not_asked_for += len(batch) - len(asked)
        reasons = iter(_reasons(asked, params, known)) if asked else iter(())
        for row in batch:
            at += 1
            if row["src_lang"] not in unit.languages or row["tgt_lang"] not in unit.languages:
                continue
            reason = next(reasons)
            language = language_of_pair(row)
            key = int.from_bytes(
                hashlib.blake2b(f"{row['src']}\n{row['tgt']}".encode(), digest_size=8).digest(), "little"
            )
            if not reason and key in seen:
                reason = "duplicate"
            if reason:
                into.drops.append((row["id"], row["source"], language, reason))
                continue
            seen.add(key)
            order = order_key(seed, row["source"], row["id"], str(at))
            yield language, _Place(order, number, at, row["id"], row["source"], row["domain"])


def add_pairs(units: Sequence[Unit], params: BuildParams, known: Known, seed: int, into: ChatRows) -> None:
    """Add translation rows from parallel files, `pair_rows_per_language` for each language at most."""
    seen: set[int] = set()
    places: dict[str, dict[tuple[str, str], list[_Place]]] = {}
    for number, unit in enumerate(units):
        for language, place in _scan(number, unit, params, known, seen, seed, into):
            places.setdefault(language, {}).setdefault((place.source, place.domain), []).append(place)
    chosen: dict[int, dict[int, int]] = {}  # unit -> row -> order
    for language, cells in sorted(places.items()):
        shares = allot(
            {cell: len(found) for cell, found in cells.items()}, params.pair_rows_per_language, source_share=1.0,
            domain_share=lambda domain: params.domain_shares.get(domain, params.max_share_per_pair_domain),
            machine_share=params.max_share_machine_translated,
        )  # fmt: skip
        for cell, found in cells.items():
            for n, place in enumerate(sorted(found, key=lambda p: (p.order, p.unit, p.row))):
                if n < shares[cell]:
                    chosen.setdefault(place.unit, {})[place.row] = place.order
                else:
                    into.drops.append((place.identity, place.source, language, "over budget"))
    for number, wanted in sorted(chosen.items()):
        at = -1
        for batch in pair_rows(units[number]):
            for row in batch:
                at += 1
                if at in wanted:
                    into.train.append((wanted[at], _line(row, wanted[at])))


def _line(row: Row, order: int) -> dict[str, Any]:
    source, target = ("src", "tgt") if order & 1 else ("tgt", "src")
    asked = request(row[source], row[f"{source}_lang"], row[f"{target}_lang"], order >> 1)
    return chat_line(asked, row[target], language_of_pair(row), row["source"], row["licence"])
