"""The elements of one large array in a JSON file, one after another: the file is never held whole.

Brackets and quotes are found with numpy, some hundred megabytes a second; what stands between is not looked at.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from rumpun.errors import InputError

__all__ = ["Elements", "without_constants"]

_CHUNK = 4 << 20
_QUOTE, _BACKSLASH = ord('"'), ord("\\")
_CLASS = np.zeros(256, np.int8)
_CLASS[[ord("{"), ord("[")]] = 1
_CLASS[[ord("}"), ord("]")]] = -1
_CLASS[_QUOTE] = 2
_CLASS[_BACKSLASH] = 3
_CONSTANT = re.compile(rb"NaN|-?Infinity")

Places = npt.NDArray[np.int64]


class _Scanner:
    """Which quotes bound strings and which brackets stand outside of them, over the pieces of one text."""

    def __init__(self) -> None:
        self._inside = False  # in a string at the end of the last piece
        self._odd = False  # after an odd number of backslashes

    def scan(self, piece: bytes) -> tuple[Places, npt.NDArray[np.int8], Places]:
        """Places of the brackets outside strings, +1 or -1 for each, and the places of the quotes that bound strings.

        An even number of these quotes before a place says that it is outside, or inside where `inside` was true before.
        """
        found = np.frombuffer(piece, np.uint8)
        kinds = _CLASS[found]
        places = np.flatnonzero(kinds)
        kinds = kinds[places]
        quotes = self._unescaped(places[kinds == 2], places[kinds == 3], len(piece))
        brackets = np.abs(kinds) == 1
        places, kinds = places[brackets], kinds[brackets]
        outside = (np.searchsorted(quotes, places) + self._inside) % 2 == 0
        self._inside ^= bool(len(quotes) % 2)
        return places[outside], kinds[outside], quotes

    def _unescaped(self, quotes: Places, slashes: Places, size: int) -> Places:
        """The quotes that no odd run of backslashes stands before."""
        carried = self._odd
        self._odd = False
        if not len(slashes):
            return quotes[1:] if carried and len(quotes) and quotes[0] == 0 else quotes
        first = np.diff(slashes, prepend=-2) != 1
        starts = slashes[first][np.cumsum(first) - 1]  # of the run that each backslash is in
        odd = (slashes - starts) % 2 == 0  # an odd number up to and with this one
        if carried:
            odd ^= starts == 0
        if slashes[-1] == size - 1:
            self._odd = bool(odd[-1])
        at = np.searchsorted(slashes, quotes - 1)
        at[at == len(slashes)] = 0
        escaped = (slashes[at] == quotes - 1) & odd[at]
        if carried and len(quotes) and quotes[0] == 0:
            escaped[0] = True
        bound: Places = quotes[~escaped]
        return bound


def without_constants(data: bytes) -> bytes:
    """A JSON text with null for each NaN and Infinity that stands outside its strings."""
    quotes = _Scanner().scan(data)[2]
    found = list(_CONSTANT.finditer(data))
    before = np.searchsorted(quotes, [one.start() for one in found])
    pieces, done = [], 0
    for place in np.flatnonzero(before % 2 == 0).tolist():
        pieces += [data[done : found[place].start()], b"null"]
        done = found[place].end()
    return b"".join((*pieces, data[done:]))


class Elements:
    """The objects in the array under one key of the object that a file holds, as their bytes.

    After the last one `rest` is the file's object with an empty array there, and `found` says whether there was an array.
    """

    def __init__(self, stream: BinaryIO, key: str, most: int, where: str) -> None:
        self.rest = bytearray()
        self.found = False
        self._stream = stream
        self._key = re.compile(rb'(?<!\\)"' + re.escape(key.encode()) + rb'"\s*:\s*\Z')
        self._most = most
        self._where = where
        self._within = False  # the array
        self._element: bytearray | None = None

    def __iter__(self) -> Iterator[bytes]:
        """One after another.

        Raises:
            InputError: one, or all that stands around them, is larger than `most`; something in the array is no object.
        """
        scanner = _Scanner()
        depth = 0
        while piece := self._stream.read(_CHUNK):
            places, steps, _ = scanner.scan(piece)
            depths = depth + np.cumsum(steps, dtype=np.int64)
            depth = int(depths[-1]) if len(depths) else depth
            done = 0
            # of interest: the array's own brackets, and those of its elements
            turns = np.flatnonzero(((steps == 1) & (depths <= 3)) | ((steps == -1) & (depths <= 2)))
            for turn in turns.tolist():
                at, opens = int(places[turn]), steps[turn] == 1
                end = at + 1 if not opens or not self._within else at
                element = self._turn(piece[done:end], int(depths[turn]), opens=bool(opens))
                done = end
                if element is not None:
                    yield element
            self._pass(piece[done:])
        if self._within:
            raise InputError(f"{self._where}: ends in the middle", "copy the log again")

    def _turn(self, piece: bytes, depth: int, *, opens: bool) -> bytes | None:
        """Take what stands before a bracket, and the bracket but for one that opens an element; `depth` is that after it.

        Returns the element that it closes.
        """
        if not self._within:
            self._pass(piece)
            if opens and depth == 2 and piece.endswith(b"["):
                self._within = self._key.search(self.rest[-4096:-1]) is not None
                self.found |= self._within
        elif opens and depth == 3 and self._element is None:
            self._pass(piece)
            self._element = bytearray()
        elif not opens and depth == 2 and self._element is not None:
            self._pass(piece)
            element, self._element = self._element, None
            return bytes(element)
        elif not opens and depth == 1:
            self._pass(piece[:-1])
            self._within = False
            self._pass(piece[-1:])
        else:
            self._pass(piece)
        return None

    def _pass(self, piece: bytes) -> None:
        """Put bytes where they belong: to the element, between elements, or around the array."""
        if self._element is None and self._within:
            if piece.strip(b" \t\r\n,"):
                raise InputError(f"{self._where}: a sample that is no object", "write the log again")
            return
        held = self.rest if self._element is None else self._element
        held += piece
        if len(held) > self._most:
            raise InputError(
                f"{self._where}: more than {self._most} bytes in one piece",
                "a log is read a sample at a time; split the sample",
            )
