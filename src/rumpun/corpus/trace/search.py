"""What a corpus was fed with: every document that holds a span of text, and how alike it is spelled there.

    TraceIndex.open(folder).find("nenek menanam jahe")

A match is `exact` where the same code points stand there, `spacing` where only spaces, punctuation or invisible
characters differ, `spelling` where letters differ in form alone (case, composition, digits, the order of marks) or in a
rule of spelling that is named, `script` where a Malay span has the same consonants word by word in the other script.
Several indexes may be opened as one.
"""

import json
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from rumpun.corpus.trace.fold import Folded, fold, folded_bytes
from rumpun.corpus.trace.shard import Hit, Shard
from rumpun.corpus.trace.skeleton import MIN_LETTERS, MIN_WORDS, is_arabic, skeleton
from rumpun.corpus.trace.variants import variants
from rumpun.errors import InputError, UsageError

__all__ = ["MIN_FOLDED", "Found", "Match", "Place", "TraceIndex", "long_enough"]

MIN_FOLDED = 4  # letters and digits of a query, folded; a Han character counts as two
_HAN = (0x3400, 0x9FFF), (0x20000, 0x323AF)  # unified ideographs
KINDS = ("exact", "spacing", "spelling", "script")
_LOOKED_AT = 48  # documents of each spelling that are looked at, to show the closest
_PLACES = 3  # of one document, shown


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a span stands in a document. Positions are code points."""

    start: int
    end: int
    text: str
    before: str
    after: str


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """One document that holds the span."""

    id: str
    language: str
    source: str
    licence: str
    contributor: str
    url: str
    domain: str
    place: str  # train, heldout, chat
    match: str  # exact, spacing, spelling, script: the closest of its places
    note: str  # what differs, or the rule of spelling
    occurrences: int  # in this document, under this spelling
    places: tuple[Place, ...]  # the first three


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one query."""

    query: str
    documents: (
        int  # that hold it; the first 48 of each spelling, or as many as shown, were looked at one by one
    )
    matches: tuple[Match, ...]  # the closest first
    spellings: tuple[str, ...]  # rules under which it was also asked for
    not_asked: tuple[str, ...]  # kinds of match that were not tried, with the reason


@dataclass(frozen=True, slots=True)
class _Asked:
    """One spelling to look for."""

    wanted: bytes
    text: str
    rule: str = ""
    script: bool = False


class TraceIndex:
    """An opened index."""

    def __init__(self, shards: Sequence[Shard]) -> None:
        self.shards = tuple(shards)

    @classmethod
    def open(cls, *folders: Path | str) -> "TraceIndex":
        """Open one index or several as one.

        Raises:
            InputError: no index is there, or a file of it is missing, cut short or damaged.
        """
        shards: list[Shard] = []
        for folder in map(Path, folders):
            path = folder / "index.json"
            try:
                names: list[str] = json.loads(path.read_bytes())["shards"]
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise InputError(
                    f"{folder}: no trace index there ({path.name} cannot be read)",
                    f"rumpun corpus index {folder}",
                ) from error
            shards += [Shard(folder / name) for name in names]
        fold("ก")  # so that no query pays for tables that are made at first use
        variants("ก")
        return cls(shards)

    @property
    def documents(self) -> int:
        """Documents in the index."""
        return sum(shard.documents for shard in self.shards)

    def count(self, text: str) -> int:
        """How often a text's folded letters stand in the index; other spellings are not asked for."""
        wanted = folded_bytes(fold(text).codes)
        return (
            sum(last - first for first, last in (shard.letters.find(wanted) for shard in self.shards))
            if wanted
            else 0
        )

    def find(self, text: str, *, limit: int = 20, spellings: bool = True) -> Found:
        """Every document that holds a span.

        Args:
            text: the span; case, spaces and punctuation do not matter.
            limit: documents to show.
            spellings: also ask for other spellings and, for Malay, the other script.

        Raises:
            UsageError: the span has fewer than MIN_FOLDED letters and digits.
        """
        direct = fold(text)
        if not long_enough(direct):
            raise UsageError(
                f"the text has {len(direct.codes)} letters and digits, a trace needs {MIN_FOLDED} or more (2 in Han)",
                "give a longer piece of the text",
            )
        asked, not_asked = [_Asked(folded_bytes(direct.codes), _trimmed(text, direct))], []
        if spellings:
            asked += _other_spellings(text, asked[0].wanted)
            bones = skeleton(text)
            if bones.count(b" ") > MIN_WORDS and len(bones) - bones.count(b" ") >= MIN_LETTERS:
                asked.append(_Asked(bones, text, "the same consonants, word by word", script=True))
            else:
                not_asked.append(f"script: needs {MIN_WORDS} words and {MIN_LETTERS} consonants")
        seen: set[tuple[int, int]] = set()
        matches: list[Match] = []
        total = 0
        for one in asked:
            for match in self._documents(one, seen, max(limit, _LOOKED_AT)):
                total += 1
                matches += [match] if match else []
        matches.sort(key=lambda m: (KINDS.index(m.match), m.place == "heldout", m.source, m.id))
        return Found(
            query=text,
            documents=total,
            matches=tuple(matches[:limit]),
            spellings=tuple(one.rule for one in asked if one.rule),
            not_asked=tuple(not_asked),
        )

    def _documents(self, asked: _Asked, seen: set[tuple[int, int]], most: int) -> Iterator[Match | None]:
        """Documents that hold one spelling and were not found before; None for those past the first `most`."""
        looked = 0
        for number, shard in enumerate(self.shards):
            suffixes = shard.bones if asked.script else shard.letters
            first, last = suffixes.find(asked.wanted)
            if first == last:
                continue
            positions = suffixes.positions(first, last)
            owners = shard.of_bones(positions) if asked.script else shard.of_letters(positions)
            documents, begins = np.unique(owners, return_index=True)
            ends = np.append(begins[1:], len(owners))
            for document, begin, end in zip(documents.tolist(), begins.tolist(), ends.tolist(), strict=True):
                if (number, document) in seen:
                    continue
                if looked >= most:
                    seen.add((number, document))
                    yield None
                    continue
                match = _match(shard, document, positions[begin:end].tolist(), asked)
                if match is not None:
                    looked += 1
                    seen.add((number, document))
                    yield match


def long_enough(folded: Folded) -> bool:
    """Whether a text has the letters that a trace needs."""
    codes = folded.codes
    han = sum(int(((codes >= first) & (codes <= last)).sum()) for first, last in _HAN)
    return len(codes) + han >= MIN_FOLDED


def _other_spellings(text: str, direct: bytes) -> list[_Asked]:
    asked: list[_Asked] = []
    seen = {direct}
    for rule, spelled in variants(text):
        wanted = folded_bytes(fold(spelled).codes)
        if wanted not in seen:
            seen.add(wanted)
            asked.append(_Asked(wanted, spelled, rule))
    return asked


def _trimmed(text: str, folded: Folded) -> str:
    """The text from its first folded letter to its last."""
    return text[int(folded.origin.min()) : int(folded.origin.max()) + 1]


def _match(shard: Shard, document: int, positions: list[int], asked: _Asked) -> Match | None:
    """What a document has at these positions, or None where every one of them ends inside a cluster."""
    hits: list[tuple[int, str, Hit]] = []
    for position in positions:
        hit = (
            shard.look_at_words(position, asked.wanted)
            if asked.script
            else shard.look(position, asked.wanted)
        )
        if hit is None:
            continue
        if asked.script and is_arabic(hit.text) == is_arabic(asked.text):
            continue  # the same script: other vowels are other words
        kind, note = ("script", asked.rule) if asked.script else _named(asked, hit.text)
        hits.append((KINDS.index(kind), note, hit))
        if len(hits) == _PLACES:
            break
    if not hits:
        return None
    best, note, _ = min(hits, key=lambda item: item[:2])
    places = tuple(
        Place(start=hit.start, end=hit.end, text=hit.text, before=hit.before, after=hit.after)
        for _, _, hit in hits
    )
    row = {name: value for name, value in shard.row(document).items() if name in Match.__struct_fields__}
    return Match(**row, match=KINDS[best], note=note, occurrences=len(positions), places=places)


def _named(asked: _Asked, there: str) -> tuple[str, str]:
    """(kind of match, what differs) of two spans that fold to the same letters."""
    if asked.rule:
        return "spelling", asked.rule
    if asked.text == there:
        return "exact", ""
    one, other = _letters(asked.text), _letters(there)
    if one == other:
        return "spacing", "spaces, punctuation or invisible characters"
    if one.casefold() == other.casefold():
        return "spelling", "capital letters"
    if unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other):
        return "spelling", "composed or decomposed characters"
    return "spelling", "forms of letters, digits or the order of marks"


def _letters(text: str) -> str:
    """A text without spaces, punctuation and invisible characters."""
    return "".join(c for c in text if unicodedata.category(c) not in _UNSEEN)


_UNSEEN = frozenset(("Zs", "Zl", "Zp", "Cc", "Cf", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po"))
