"""A slice of a part as the taggers see it: texts as one array of code points, made once and shared.

Shapes: N texts, C code points in all, K classes of code points, L lines. A class is a set of code points that are alike in
everything that is counted, so one histogram [N, K] gives every count. Nothing here splits words.
"""

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rumpun.corpus.code_points import ASSIGNED, categories
from rumpun.corpus.languages import known
from rumpun.corpus.letters import LETTERS, SCRIPTS, Hashes, Int, kinds_table
from rumpun.corpus.tag.lines import Lines, find_lines, line_hashes
from rumpun.language.tables import languages

__all__ = [
    "BULLET",
    "CLOSER",
    "CODE",
    "DIGIT",
    "ELLIPSIS",
    "END",
    "LOOK",
    "PUNCTUATION",
    "SLICE_CHARACTERS",
    "SYMBOL",
    "UPPER",
    "Batch",
    "sentence_marks",
    "slices",
]

SLICE_CHARACTERS = 100_000  # code points at once: arrays of under a megabyte stay in the processor's cache
SLICE_ROWS = 20_000  # texts at once, however short
LOOK = 1_000_000  # code points of one text that the arrays hold; a longer text is judged by its beginning

# what else a code point is, beside its kind in letters.py; any of these may hold together
DIGIT, PUNCTUATION, SYMBOL, UPPER, CODE, END, BULLET, ELLIPSIS, CLOSER = (1 << n for n in range(9))
_CODE_SIGNS = "{}[]<>=;|\\_`~^#$@&*+/"
_BULLETS = "•‣◦▪▫■□●○◆◇▶►➢➤✓✔·∙⁃*-–—"
_CLOSERS = "\"'”’»)]}」』）】》›"
_ELLIPSES = "…⋯"
_MORE_ENDS = ".!?…。！？"  # used in every script beside its own marks


@functools.cache
def sentence_marks() -> str:
    """Every mark that ends a sentence in some language's table, in order of code point."""
    own = {mark for item in languages().values() for mark in item.sentence_ends if len(mark) == 1}
    return "".join(sorted(own | set(_MORE_ENDS)))


def _signs() -> NDArray[np.int64]:
    """[ASSIGNED] the signs of each code point, capitals of Latin alone."""
    named = categories()
    capital = (named[:, 0] == ord("L")) & np.isin(named[:, 1], list(b"ut"))
    capital &= kinds_table()[:ASSIGNED] == LETTERS + SCRIPTS.index("Latn")
    found = np.zeros(ASSIGNED, dtype=np.int64)
    for holds, bit in (
        ((named == tuple(b"Nd")).all(axis=1), DIGIT),
        (named[:, 0] == ord("P"), PUNCTUATION),
        (named[:, 0] == ord("S"), SYMBOL),
        (capital, UPPER),
    ):
        found[holds] |= bit
    for characters, bit in (
        (_CODE_SIGNS, CODE),
        (sentence_marks(), END),
        (_BULLETS, BULLET),
        (_ELLIPSES, ELLIPSIS),
        (_CLOSERS, CLOSER),
    ):
        found[[*map(ord, characters)]] |= bit
    return found


@functools.cache
def _classes() -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """[0x110000] the class of each code point; the kind [K] and the signs [K] of each class."""
    whole = kinds_table().astype(np.int64)
    whole[:ASSIGNED] |= _signs() << 8
    there = np.zeros(1 << 17, dtype=np.bool_)
    there[whole] = True
    words = np.flatnonzero(there)
    return (np.cumsum(there) - 1)[whole].astype(np.uint8), words & 0xFF, words >> 8


@functools.cache
def _of_kind(kind: int) -> tuple[int, ...]:
    """The classes of one kind."""
    return tuple(np.flatnonzero(_classes()[1] == kind).tolist())


class Batch:
    """N texts of one slice.

    Args:
        texts: N texts; normalised once the tagger `normalise` has run.
        declared: N language tags as their sources give them, "" where they give none.
        identified: N tags as the tagger `language` found them; all "" before it has run.
        sources: N names of sources; all "" where they do not matter.
    """

    def __init__(
        self,
        texts: Sequence[str],
        declared: Sequence[str],
        identified: Sequence[str] | None = None,
        sources: Sequence[str] | None = None,
    ) -> None:
        self.texts = list(texts)
        self.declared = list(declared)
        self.identified = list(identified) if identified is not None else [""] * len(self.texts)
        self.sources = list(sources) if sources is not None else [""] * len(self.texts)

    def __len__(self) -> int:
        return len(self.texts)

    @functools.cached_property
    def languages(self) -> list[str]:
        """[N] the language by which each text is judged: the declared one, or else the identified one."""
        return [own or found for own, found in zip(self.declared, self.identified, strict=True)]

    @functools.cached_property
    def lengths(self) -> Int:
        """[N] code points of each whole text."""
        return np.fromiter((len(text) for text in self.texts), dtype=np.int64, count=len(self.texts))

    @functools.cached_property
    def ends(self) -> Int:
        """[N] where each text ends in `codes`."""
        found: Int = np.cumsum(np.minimum(self.lengths, LOOK))
        return found

    @functools.cached_property
    def starts(self) -> Int:
        """[N] where each text starts in `codes`."""
        return self.ends - np.minimum(self.lengths, LOOK)

    @functools.cached_property
    def codes(self) -> NDArray[np.uint32]:
        """[C] code points of all texts, side by side."""
        texts = self.texts
        if len(texts) and self.lengths.max() > LOOK:
            texts = [text[:LOOK] for text in texts]
        return np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)

    @functools.cached_property
    def kinds(self) -> NDArray[np.uint8]:
        """[C] what each code point is, by letters.py."""
        return kinds_table()[self.codes]

    @functools.cached_property
    def owner(self) -> Int:
        """[C] the text that each code point lies in."""
        return np.repeat(np.arange(len(self.texts), dtype=np.int64), self.ends - self.starts)

    @functools.cached_property
    def histogram(self) -> Int:
        """[N, K] how many code points of each class each text has."""
        classes, kinds, _ = _classes()
        width = len(kinds)
        keys = self.owner * width + classes[self.codes]
        return np.bincount(keys, minlength=len(self.texts) * width).reshape(len(self.texts), width)

    def with_kind(self, *kinds: int) -> Int:
        """[N] code points of any of these kinds."""
        columns = [column for kind in kinds for column in _of_kind(kind)]
        found: Int = self.histogram[:, columns].sum(axis=1)
        return found

    def with_sign(self, sign: int) -> Int:
        """[N] code points that have this sign, such as DIGIT."""
        found: Int = self.histogram[:, (_classes()[2] & sign) > 0].sum(axis=1)
        return found

    def letters(self) -> Int:
        """[N] letters and marks."""
        found: Int = self.histogram[:, _classes()[1] >= LETTERS].sum(axis=1)
        return found

    def has_sign(self, places: Int, sign: int) -> NDArray[np.bool_]:
        """[len(places)] whether the code points at these places have a sign."""
        classes, _, signs = _classes()
        found: NDArray[np.bool_] = (signs[classes[self.codes[places]]] & sign) > 0
        return found

    @functools.cached_property
    def lines(self) -> Lines:
        """The texts' lines."""
        return find_lines(self.codes, self.kinds, self.starts, self.ends)

    @functools.cached_property
    def line_hashes(self) -> Hashes:
        """[L] hashes of the lines' content."""
        return line_hashes(self.codes, self.lines)

    def per_text(self, values: NDArray[Any]) -> Any:
        """[N] sums over each text's lines of values [L]."""
        return np.bincount(self.lines.owner, weights=values, minlength=len(self.texts))

    def known_scripts(self, tag: str) -> tuple[int, ...]:
        """Places in SCRIPTS of a language's scripts; empty where the language or all its scripts are unknown."""
        names = known().get(tag, ((), False))[0]
        bare = dict.fromkeys("Hani" if name in ("Hans", "Hant") else name for name in names)
        return tuple(SCRIPTS.index(name) for name in bare if name in SCRIPTS)

    def after(self, columns: dict[str, Any]) -> "Batch":
        """The batch that later taggers see once a tagger has given these columns."""
        texts, identified = self.texts, self.identified
        if "normalise.text" in columns:
            new = columns["normalise.text"].to_pylist()
            texts = [old if found is None else found for old, found in zip(self.texts, new, strict=True)]
        if "language.label" in columns:
            identified = columns["language.label"].to_pylist()
        if texts == self.texts:
            self.identified = identified
            self.__dict__.pop("languages", None)  # it may have changed with the identified ones
            return self
        return Batch(texts, self.declared, identified, self.sources)


def slices(lengths: Sequence[int], most: int = SLICE_CHARACTERS) -> Iterator[tuple[int, int]]:
    """(first row, row after the last) of runs of at most SLICE_ROWS rows with `most` characters in all; no row is cut."""
    start, size = 0, 0
    for row, length in enumerate(lengths):
        taken = min(length, LOOK)
        if row > start and (size + taken > most or row - start >= SLICE_ROWS):
            yield start, row
            start, size = row, 0
        size += taken
    if start < len(lengths):
        yield start, len(lengths)
