"""One shard of a trace index, memory-mapped: where a run of folded letters stands, and the text there.

Every hit that is given out was looked at: the text was folded again and compared with what was asked for.
"""

import functools
import json
import mmap
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rumpun.corpus.trace.fold import Folded, fold, folded_bytes
from rumpun.corpus.trace.index_shard import FILES, ROWS_AT_ONCE, VERSION
from rumpun.corpus.trace.skeleton import words
from rumpun.errors import InputError

__all__ = ["Hit", "Shard", "Suffixes"]

Int = NDArray[np.int64]
_FEW = 256  # bytes that tell most suffixes apart
_MEND = "make the index again: rumpun corpus index CORPUS"


@dataclass(frozen=True, slots=True)
class Hit:
    """One place in one document. Positions are code points of the document."""

    document: int  # in its shard
    start: int
    end: int
    text: str  # what stands there
    before: str  # some of the text on both sides
    after: str


class Suffixes:
    """A mapped text and its suffix array."""

    def __init__(self, text: Path, suffixes: Path, width: int) -> None:
        self.text = _mapped(text)
        self._suffixes = _mapped(suffixes)
        self._width = width
        self.count = len(self._suffixes) // width

    def at(self, number: int) -> int:
        """The position of the suffix of this number."""
        begin = number * self._width
        return int.from_bytes(self._suffixes[begin : begin + self._width], "little")

    def find(self, wanted: bytes) -> tuple[int, int]:
        """Numbers of the suffixes that begin with these bytes: from the first to before the second."""
        first = self.bound(wanted)
        size = len(wanted)
        if first == self.count or self.text[self.at(first) : self.at(first) + size] != wanted:
            return first, first
        step, low = 1, first  # most spans stand few times: look near first
        while low + step < self.count and self._begins(low + step, wanted):
            low += step
            step *= 2
        high = min(self.count, low + step)
        while low + 1 < high:
            middle = (low + high) // 2
            if self._begins(middle, wanted):
                low = middle
            else:
                high = middle
        return first, low + 1

    def _begins(self, number: int, wanted: bytes) -> bool:
        at = self.at(number)
        return self.text[at : at + len(wanted)] == wanted

    def bound(self, wanted: bytes) -> int:
        """The number of the first suffix that is not less than these bytes."""
        text, suffixes, width, size = self.text, self._suffixes, self._width, len(wanted)
        low, high = 0, self.count
        while low < high:
            middle = (low + high) // 2
            at = int.from_bytes(suffixes[middle * width : middle * width + width], "little")
            if text[at : at + size] < wanted:
                low = middle + 1
            else:
                high = middle
        return low

    def longest(self, wanted: bytes) -> int:
        """How many bytes of the beginning of `wanted` stand somewhere."""
        short = self._longest(wanted[:_FEW])
        return short if short < min(_FEW, len(wanted)) else self._longest(wanted)

    def _longest(self, wanted: bytes) -> int:
        first = self.bound(wanted)
        best = 0
        for number in (first - 1, first):
            if 0 <= number < self.count:
                at = self.at(number)
                best = max(best, _common(self.text[at : at + len(wanted)], wanted))
        return best

    def positions(self, first: int, last: int) -> Int:
        """Positions of a range of suffixes, in the order of the text."""
        packed = np.frombuffer(self._suffixes[first * self._width : last * self._width], dtype=np.uint8)
        wide = np.zeros((last - first, 4), dtype=np.uint8)
        wide[:, : self._width] = packed.reshape(-1, self._width)
        return np.sort(wide.view("<u4").ravel().astype(np.int64))


def _common(one: bytes, other: bytes) -> int:
    """The length of the common beginning."""
    size = min(len(one), len(other))
    different = np.flatnonzero(np.frombuffer(one[:size], np.uint8) != np.frombuffer(other[:size], np.uint8))
    return int(different[0]) if len(different) else size


def _mapped(path: Path) -> "mmap.mmap | bytes":
    with path.open("rb") as stream:
        if not path.stat().st_size:
            return b""
        return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)


class Shard:
    """An opened shard.

    Raises:
        InputError: a file is missing or of another size than the shard says, or the shard is of another version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        facts = _facts(folder)
        self.documents: int = facts["documents"]
        self.text_bytes: int = facts["text_bytes"]
        self.index_bytes: int = sum(facts["sizes"].values())
        self.letters = Suffixes(folder / "folded.bin", folder / "suffixes.bin", facts["suffix_bytes"])
        self.bones = Suffixes(
            folder / "skeleton.bin", folder / "skeleton-suffixes.bin", facts["skeleton_suffix_bytes"]
        )
        self._texts = _mapped(folder / "texts.bin")
        self._rows = _mapped(folder / "rows.bin")
        tables = _tables(folder)
        self._piece_document = tables["piece_document"]
        self._piece_character = tables["piece_character"]
        self._piece_byte = tables["piece_byte"]
        self._piece_folded = tables["piece_folded"]
        self._first_piece = np.flatnonzero(self._piece_character == 0)  # [documents]
        self._document_folded = self._piece_folded[self._first_piece]
        self._text_begin, self._text_at = tables["text_begin"], tables["text_at"]
        self._row_at = tables["row_at"]
        self._bone_document, self._bone_start = tables["skeleton_document"], tables["skeleton_start"]
        self._block = functools.lru_cache(maxsize=64)(self._read_block)
        self._folded = functools.lru_cache(maxsize=64)(self._fold_pieces)
        self._row_block = functools.lru_cache(maxsize=64)(self._read_rows)

    def of_letters(self, positions: Int) -> Int:
        """The document that each position in the folded text lies in."""
        found: Int = np.searchsorted(self._document_folded, positions, side="right") - 1
        return found

    def of_bones(self, positions: Int) -> Int:
        """The document that each position in the skeletons lies in."""
        return self._bone_document[np.searchsorted(self._bone_start, positions, side="right") - 1]

    def row(self, document: int) -> dict[str, str]:
        """A document's row without its text."""
        found: dict[str, str] = self._row_block(document // ROWS_AT_ONCE)[document % ROWS_AT_ONCE]
        return found

    def text(self, document: int) -> str:
        """A document as it is."""
        first = int(self._first_piece[document])
        last = (
            int(self._first_piece[document + 1]) if document + 1 < self.documents else len(self._piece_byte)
        )
        return self._pieces(first, last)

    def look(self, position: int, wanted: bytes, around: int = 60) -> Hit | None:
        """The text at a position of the folded text, or None where the letters end inside a cluster there.

        Raises:
            InputError: the text there does not fold to what the index says.
        """
        first = int(np.searchsorted(self._piece_folded, position, side="right")) - 1
        last = int(np.searchsorted(self._piece_folded, position + len(wanted), side="left"))
        text, folded, data = self._folded(first, last)
        begin = position - int(self._piece_folded[first]) - (self._piece_character[first] == 0)
        if data[begin : begin + len(wanted)] != wanted:
            raise InputError(f"{self.folder}: its texts and its letters do not fit together", _MEND)
        from_code = len(data[:begin].decode())
        origin = folded.origin[from_code : from_code + len(wanted.decode())]
        start, end = int(origin.min()), int(origin.max()) + 1
        if folded_bytes(fold(text[start:end]).codes) != wanted:
            return None
        offset = int(self._piece_character[first])
        return Hit(
            document=int(self._piece_document[first]),
            start=offset + start,
            end=offset + end,
            text=text[start:end],
            before=text[max(0, start - around) : start],
            after=text[end : end + around],
        )

    def look_at_words(self, position: int, wanted: bytes, around: int = 60) -> Hit:
        """The words at a position of the skeletons.

        Raises:
            InputError: the words there have other skeletons than the index says.
        """
        number = int(np.searchsorted(self._bone_start, position, side="right")) - 1
        document = int(self._bone_document[number])
        text = self.text(document)
        skipped = self.bones.text[int(self._bone_start[number]) : position].count(b" ")
        asked = wanted.split()
        found = words(text)[skipped : skipped + len(asked)]
        if [bones.encode() for bones, _, _ in found] != asked:
            raise InputError(f"{self.folder}: its texts and its skeletons do not fit together", _MEND)
        start, end = found[0][1], found[-1][2]
        return Hit(
            document,
            start,
            end,
            text[start:end],
            text[max(0, start - around) : start],
            text[end : end + around],
        )

    def _fold_pieces(self, first: int, last: int) -> tuple[str, Folded, bytes]:
        text = self._pieces(first, last)
        folded = fold(text)
        return text, folded, folded_bytes(folded.codes)

    def _pieces(self, first: int, last: int) -> str:
        begin = int(self._piece_byte[first])
        end = int(self._piece_byte[last]) if last < len(self._piece_byte) else int(self._text_begin[-1])
        return self._bytes(begin, end).decode()

    def _bytes(self, begin: int, end: int) -> bytes:
        number = int(np.searchsorted(self._text_begin, begin, side="right")) - 1
        found = b""
        while begin + len(found) < end:
            offset = begin + len(found) - int(self._text_begin[number])
            found += self._block(number)[offset : offset + end - begin - len(found)]
            number += 1
        return found

    def _read_block(self, number: int) -> bytes:
        return self._inflate(self._texts, self._text_at, number, "texts.bin")

    def _read_rows(self, number: int) -> list[dict[str, str]]:
        found: list[dict[str, str]] = json.loads(self._inflate(self._rows, self._row_at, number, "rows.bin"))
        return found

    def _inflate(self, data: "mmap.mmap | bytes", at: Int, number: int, name: str) -> bytes:
        try:
            return zlib.decompress(data[int(at[number]) : int(at[number + 1])])
        except (zlib.error, IndexError) as error:
            raise InputError(f"{self.folder / name}: damaged ({error})", _MEND) from error


def _facts(folder: Path) -> dict[str, Any]:
    path = folder / "shard.json"
    try:
        facts: dict[str, Any] = json.loads(path.read_bytes())
        sizes = facts["sizes"]
        version = facts["version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: cannot be read ({error})", _MEND) from error
    if version != VERSION:
        raise InputError(f"{path}: version {version}, this rumpun reads {VERSION}", _MEND)
    for name in FILES:
        place = folder / name
        size = place.stat().st_size if place.is_file() else -1
        if size != sizes[name]:
            raise InputError(
                f"{place}: {'missing' if size < 0 else f'{size} bytes'}, shard.json says {sizes[name]} bytes",
                _MEND,
            )
    return facts


def _tables(folder: Path) -> dict[str, Int]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = folder / "tables.safetensors"
    try:
        return {name: values.astype(np.int64) for name, values in load_file(path).items()}
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: damaged ({error})", _MEND) from error
