"""The tagger `figures`: what a text looks like, counted on the slice's arrays, with no word splitter in any script.

Shares are of the code points that are no white space unless the column's comment says otherwise. Ideas: Gopher (Rae et al.
2021), C4 (Raffel et al. 2020), FineWeb-2 (thresholds from each language's own data); the counts are ours.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rumpun.corpus.languages import known, spaced
from rumpun.corpus.letters import CONTROL, LETTERS, REPLACEMENT, SCRIPTS, SPACE, Int
from rumpun.corpus.tag.batch import (
    BULLET,
    CLOSER,
    CODE,
    DIGIT,
    ELLIPSIS,
    END,
    PUNCTUATION,
    SYMBOL,
    UPPER,
    Batch,
    sentence_marks,
)
from rumpun.corpus.tag.taggers.repeats import LENGTHS, repeats

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["HAN_WEIGHT", "SHORT_LINE", "Figures"]

SHORT_LINE = 30  # code points; a menu's line, a heading
HAN_WEIGHT = 3  # one Han letter says about what three letters of an alphabet say
_COLUMNS = (
    ("characters", "int32"),  # code points, white space included
    ("letter_share", "float"),  # letters and marks
    ("script_share", "float"),  # letters in the language's own scripts, of letters in any; Han counts three; null where unknown
    ("digit_share", "float"),
    ("punctuation_share", "float"),
    ("symbol_share", "float"),
    ("code_share", "float"),  # brackets, braces, slashes and other signs of code
    ("upper_share", "float"),  # Latin capitals, of letters and marks of every script
    ("lines", "int32"),  # lines that are not blank
    ("line_mean", "float"),  # code points of a line that is not blank, trimmed
    ("line_max", "int32"),
    ("line_end_share", "float"),  # lines that end in a sentence mark, of those that are not blank; closing quotes are passed over
    ("short_line_share", "float"),  # lines below SHORT_LINE, of those that are not blank
    ("duplicate_line_share", "float"),  # code points in lines that stood before in the text, of those in all lines
    ("bullet_share", "float"),  # lines that start with a bullet
    ("ellipsis_share", "float"),  # lines that end in … or ...
    ("word_mean", "float"),  # code points between white space; null for languages that write no spaces
    ("links", "int32"),  # addresses of pages and of mail
    ("link_rate", "float"),  # the same for every 1,000 code points
    ("replacement", "int32"),  # U+FFFD
    ("control", "int32"),  # control characters other than tab, line feed and carriage return
    *((f"{what}_{length}", "float") for length in LENGTHS for what in ("top", "repeat")),
    ("distinct_4", "float"),
    ("line_hashes", "hashes"),  # [lines] content hashes (lines.py), 0 for a blank line
    ("line_ends", "places"),  # [lines] the code point after each line's last, its line feed not counted
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Counts and shares; no options."""

    @property
    def name(self) -> str:
        """As in the table."""
        return "figures"

    @property
    def version(self) -> int:
        """Raised whenever a figure changes."""
        return 1

    @property
    def columns(self) -> "pa.Schema":
        """Every figure, and the lines' hashes and ends."""
        import pyarrow as pa

        kinds = {
            "int32": pa.int32(), "float": pa.float32(), "hashes": pa.list_(pa.uint64()), "places": pa.list_(pa.int32())
        }  # fmt: skip
        return pa.schema([(f"figures.{name}", kinds[kind]) for name, kind in _COLUMNS])

    def facts(self) -> dict[str, Any]:
        """The marks that end a sentence come from the languages' tables."""
        return {"sentence_marks": sentence_marks()}

    def tag(self, batch: Batch) -> "dict[str, pa.Array]":
        """N values of each figure."""
        import pyarrow as pa

        found = _shares(batch) | _lines(batch) | repeats(batch) | _listed(batch)
        schema = self.columns
        made: dict[str, pa.Array] = {}
        for name, _ in _COLUMNS:
            kind, value = schema.field(f"figures.{name}").type, found[name]
            if isinstance(value, pa.Array):
                made[f"figures.{name}"] = value
            elif pa.types.is_floating(kind):
                made[f"figures.{name}"] = pa.array(
                    value.astype(np.float32), kind, from_pandas=True
                )  # NaN is null
            else:
                made[f"figures.{name}"] = pa.array(value.astype(np.int32), kind)
        return made


def _over(part: NDArray[Any], whole: NDArray[Any], empty: float = 0.0) -> NDArray[np.float64]:
    """Part over whole, `empty` where the whole is 0."""
    return np.where(whole > 0, part / np.maximum(whole, 1), empty)


def _shares(batch: Batch) -> dict[str, NDArray[Any]]:
    size = batch.ends - batch.starts
    solid = size - batch.with_kind(SPACE)
    shares = {
        "letter_share": batch.letters(), "digit_share": batch.with_sign(DIGIT), "symbol_share": batch.with_sign(SYMBOL),
        "punctuation_share": batch.with_sign(PUNCTUATION), "code_share": batch.with_sign(CODE),
    }  # fmt: skip
    links = _links(batch)
    return {name: _over(count, solid) for name, count in shares.items()} | {
        "characters": batch.lengths,
        "script_share": _script_share(batch),
        "upper_share": _over(batch.with_sign(UPPER), batch.letters()),
        "word_mean": _word_mean(batch, solid),
        "links": links,
        "link_rate": _over(1_000 * links, size),
        "replacement": batch.with_kind(REPLACEMENT),
        "control": batch.with_kind(CONTROL),
    }


def _script_share(batch: Batch) -> NDArray[np.float64]:
    counts = {number: batch.with_kind(LETTERS + number) for number in range(1, len(SCRIPTS))}
    counts[SCRIPTS.index("Hani")] = HAN_WEIGHT * counts[SCRIPTS.index("Hani")]
    every = sum(counts.values(), np.zeros(len(batch), dtype=np.int64))
    own = np.zeros(len(batch), dtype=np.int64)
    tags = np.array(batch.languages, dtype=object)
    told = np.zeros(len(batch), dtype=np.bool_)
    for tag in sorted(set(batch.languages)):
        here = tags == tag
        numbers = batch.known_scripts(tag)
        told |= here & bool(numbers)
        for number in numbers:
            own[here] += counts[number][here]
    return np.where(told, _over(own, every), np.nan)


def _word_mean(batch: Batch, solid: Int) -> NDArray[np.float64]:
    """Code points between white space, where the language writes spaces between words."""
    inside = batch.kinds != SPACE
    opens = inside.copy()
    opens[1:] &= ~inside[:-1]
    firsts = batch.starts[batch.ends > batch.starts]
    opens[firsts] = inside[firsts]
    places = np.flatnonzero(opens)
    runs = np.searchsorted(places, batch.ends) - np.searchsorted(places, batch.starts)
    apart = {tag: tag in known() and spaced(tag) for tag in set(batch.languages)}
    words = np.array([apart[tag] for tag in batch.languages], dtype=np.bool_)
    return np.where(words, _over(solid, runs), np.nan)


def _links(batch: Batch) -> Int:
    """[N] addresses: "://", "www." without one before it, and "@" between two letters or digits."""
    codes, kinds, owner = batch.codes, batch.kinds, batch.owner
    marks: list[NDArray[np.int64]] = []
    for text in ("://", "www."):
        places = np.flatnonzero(codes == ord(text[0]))
        places = places[places + len(text) <= len(codes)]
        for step, character in enumerate(text[1:], 1):
            places = places[codes[places + step] == ord(character)]
        places = places[owner[places] == owner[places + len(text) - 1]]
        if text == "www.":
            before = np.maximum(places - 1, 0)
            places = places[(places == 0) | (owner[before] != owner[places]) | (codes[before] != ord("/"))]
        marks.append(places)
    at = np.flatnonzero(codes == ord("@"))
    at = at[(at > 0) & (at + 1 < len(codes))]
    sides = [(kinds[at + step] >= LETTERS) | batch.has_sign(at + step, DIGIT) for step in (-1, 1)]
    at = at[sides[0] & sides[1] & (owner[at - 1] == owner[at + 1])]
    marks.append(at)
    return np.bincount(owner[np.concatenate(marks)], minlength=len(batch))


def _lines(batch: Batch) -> dict[str, NDArray[Any]]:
    lines, codes = batch.lines, batch.codes
    full = ~lines.blank
    length = np.where(full, lines.last - lines.first, 0)
    count = batch.per_text(full).astype(np.int64)
    whole = batch.per_text(length)
    longest = np.zeros(len(batch), dtype=np.int64)
    np.maximum.at(longest, lines.owner, length)
    last = _before_closers(batch, np.maximum(lines.last - 1, 0), lines.first)
    first = np.minimum(lines.first, max(0, len(codes) - 1))
    if len(codes):
        ends, bullets = batch.has_sign(last, END), batch.has_sign(first, BULLET)
        dots = last >= lines.first + 2
        for back in range(3):
            dots &= codes[np.maximum(last - back, 0)] == ord(".")
        ellipses = batch.has_sign(last, ELLIPSIS) | dots
    else:
        ends = bullets = ellipses = np.zeros(len(full), dtype=np.bool_)
    return {
        "lines": count,
        "line_mean": _over(whole, count),
        "line_max": longest,
        "line_end_share": _over(batch.per_text(full & ends), count),
        "short_line_share": _over(batch.per_text(full & (length < SHORT_LINE)), count),
        "duplicate_line_share": _over(batch.per_text(np.where(_again(batch), length, 0)), whole),
        "bullet_share": _over(batch.per_text(full & bullets), count),
        "ellipsis_share": _over(batch.per_text(full & ellipses), count),
    }


def _before_closers(batch: Batch, last: Int, first: Int) -> Int:
    """The last code point of each line with at most three closing quotes and brackets passed over."""
    if not len(batch.codes):
        return last
    for _ in range(3):
        last = np.where(batch.has_sign(last, CLOSER) & (last > first), last - 1, last)
    return last


def _again(batch: Batch) -> NDArray[np.bool_]:
    """[L] lines whose content stood before in the same text; blank ones never."""
    lines, hashes = batch.lines, batch.line_hashes
    order = np.lexsort((hashes, lines.owner))  # stable: the first of equals stays first
    again = np.zeros(len(hashes), dtype=np.bool_)
    same = (hashes[order][1:] == hashes[order][:-1]) & (lines.owner[order][1:] == lines.owner[order][:-1])
    again[order[1:]] = same
    return again & ~lines.blank


def _listed(batch: Batch) -> "dict[str, pa.Array]":
    import pyarrow as pa

    lines = batch.lines
    offsets = np.concatenate([[0], np.cumsum(np.bincount(lines.owner, minlength=len(batch)))]).astype(
        np.int32
    )
    ends = (lines.ends - batch.starts[lines.owner]).astype(np.int32)
    return {
        "line_hashes": pa.ListArray.from_arrays(pa.array(offsets), pa.array(batch.line_hashes)),
        "line_ends": pa.ListArray.from_arrays(pa.array(offsets), pa.array(ends)),
    }
