"""Samples of a corpus: documents that were kept and documents that were dropped, with the rule, value and threshold.

A sample is drawn by a hash of seed and id, so it is the same on every machine, and it takes one pass with memory for the
sample alone.
"""

import heapq
import json
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from rumpun.corpus.find import corpus_manifest
from rumpun.corpus.order import order_key
from rumpun.corpus.trace.step import corpus_files, rows_of
from rumpun.errors import UsageError, nearest

__all__ = ["Shown", "escaped", "sample"]

_DROP_COLUMNS = ("id", "language", "source", "contributor", "rule", "value", "threshold", "detail", "text")


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """One document of a sample."""

    place: str  # train, heldout, chat, dropped
    id: str
    language: str
    source: str
    licence: str
    contributor: str
    rule: str  # why it was dropped; empty where it was kept
    value: float | None
    threshold: float | None
    detail: str
    text: str  # empty where a drop was written down without its text


@dataclass(slots=True)
class _Wanted:
    language: str
    source: str
    reason: str
    languages: set[str]
    sources: set[str]
    reasons: set[str]

    def takes(self, row: dict[str, Any], rule: str) -> bool:
        """Whether a row is asked for; what there is, is noted for the message where none is."""
        self.languages.add(row.get("language") or "")
        self.sources.add(row.get("source") or "")
        if rule:
            self.reasons |= {rule, rule.partition(".")[0]}
        return (
            self.language in ("", row.get("language") or "")
            and self.source in ("", row.get("source") or "")
            and (not self.reason or rule == self.reason or rule.startswith(f"{self.reason}."))
        )


def sample(
    corpus: Path, *, language: str = "", source: str = "", reason: str = "", count: int = 5, seed: int = 0
) -> list[Shown]:
    """Documents of a corpus: so many kept and so many dropped; with a reason, dropped ones alone.

    Args:
        corpus: the folder of a written corpus.
        language: a BCP-47 tag; empty takes all.
        source: a source's name; empty takes all.
        reason: a rule ("figures.letter_share") or a stage ("figures").
        count: of each kind.
        seed: another seed, another sample.

    Raises:
        UsageError: nothing fits; the hint says what there is.
        InputError: no corpus is there.
    """
    if count < 1:
        raise UsageError(f"--n {count}: nothing to show", "ask for 1 or more")
    corpus_manifest(corpus)
    wanted = _Wanted(language, source, reason, set(), set(), set())
    kept = [] if reason else _smallest(_kept(corpus), wanted, count, seed)
    dropped = _smallest(_dropped(corpus), wanted, count, seed)
    if not kept and not dropped:
        for name, value, known in (
            ("language", language, wanted.languages), ("source", source, wanted.sources), ("reason", reason, wanted.reasons),
        ):  # fmt: skip
            if value and value not in known:
                raise UsageError(
                    f"{corpus}: no document of the {name} '{value}'", nearest(value, sorted(known - {""}))
                )
        raise UsageError(f"{corpus}: no document fits", "leave one of the options out")
    return kept + dropped


def _smallest(rows: Iterator[dict[str, Any]], wanted: _Wanted, count: int, seed: int) -> list[Shown]:
    """The rows with the smallest keys, in their order."""
    heap: list[tuple[int, int, dict[str, Any]]] = []  # (-key, number, row): the largest key on top
    for number, row in enumerate(rows):
        if not wanted.takes(row, row.get("rule") or ""):
            continue
        key = order_key(seed, row.get("source") or "", str(row.get("id") or ""))
        if len(heap) < count:
            heapq.heappush(heap, (-key, -number, row))
        elif -heap[0][0] > key:
            heapq.heapreplace(heap, (-key, -number, row))
    return [_shown(row) for _, _, row in sorted(heap, key=lambda item: (-item[0], -item[1]))]


def _shown(row: dict[str, Any]) -> Shown:
    words = {
        name: str(row.get(name) or "")
        for name in Shown.__struct_fields__
        if name not in ("value", "threshold")
    }
    return Shown(**words, value=row.get("value"), threshold=row.get("threshold"))


def _kept(corpus: Path) -> Iterator[dict[str, Any]]:
    for place, path in corpus_files(corpus):
        for rows in rows_of(str(path), place):
            yield from rows


def _dropped(corpus: Path) -> Iterator[dict[str, Any]]:
    for path in sorted((corpus / "drops").glob("*.parquet")):
        for rows in rows_of(str(path), "dropped"):
            yield from ({name: row.get(name) for name in (*_DROP_COLUMNS, "place")} for row in rows)
    path = corpus / "drops.jsonl"  # of corpora made before drops were kept with their texts
    if path.is_file():
        with path.open(encoding="utf-8") as stream:
            for line in stream:
                row = json.loads(line)
                yield row | {"place": "dropped", "rule": row.get("reason") or ""}


def escaped(text: str, most: int = 0) -> str:
    """A text that is safe on a terminal: control, format and direction characters by their code, line ends as ⏎.

    Zero-width joiners stay, since scripts of the region are written with them. `most` cuts after so many code points.
    """
    cut = text[:most] if most and len(text) > most else text
    out = "".join(_escape(character) for character in cut.replace("\r\n", "\n"))
    return out + ("…" if len(cut) < len(text) else "")


def _escape(character: str) -> str:
    if character == "\n":
        return " ⏎ "
    if character in "\u200b\u200c\u200d":
        return character
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp"):
        code = ord(character)
        return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    return character
