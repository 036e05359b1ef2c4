"""Texts folded for tracing: what only looks different becomes the same, and every folded letter knows where it came from.

Folding is compatibility decomposition and case folding (Unicode Standard Annex 15, `NFKD(casefold(NFKD(text)))`), with

- spaces, punctuation, control, format and zero-width characters left out, so that spacing does not matter;
- every decimal digit as 0 to 9;
- marks of one cluster in one order, whatever order they were typed in (Thai, Lao, Khmer and Burmese by their own
  tables, all others by their canonical class), and vowels that are typed in two ways taken apart (`_ALIKE`).

Folding never looks across a base letter, so a text cut before one folds to the two halves side by side. Canonically
equivalent texts fold to the same letters. Shapes: C code points in, F out.
"""

import functools
import unicodedata
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rumpun.errors import InputError

__all__ = ["Codes", "Folded", "codes_of", "fold", "fold_codes", "folded_bytes", "is_mark", "starts_cluster"]

Codes = NDArray[np.uint32]
Int = NDArray[np.int64]

# one glyph, two ways to type it
_ALIKE = {
    "\u0e41": "\u0e40\u0e40",  # Thai sara ae, also typed as two sara e
    "\u0e45": "\u0e32",  # lakkhangyao for sara aa
    "\u0ec1": "\u0ec0\u0ec0",  # the same in Lao
    "\u17c4": "\u17c1\u17b6",  # Khmer oo: e and aa
    "\u17be": "\u17c1\u17b8",  # Khmer oe: e and ii
    "\u02bc": "",  # letters for the glottal stop, where others write an apostrophe
    "\u02bb": "",
}
_LEFT_OUT = ("Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Sk")
# marks that show nothing by themselves, the iota subscript, whose case folding is a letter, and the spacing acute
_INVISIBLE = frozenset("\u034f\u17b4\u17b5\u0345\u00b4\u1ffd") | {chr(code) for code in range(0xFE00, 0xFE10)}
_SEPARATOR = 0  # U+0000 stands between documents; within a text it is left out before folding

# the order of marks inside a cluster: first to last, a string for each place
_ORDERS = (
    # Thai: phinthu, below, above, tones, nikhahit, the rest
    ("\u0e3a", "\u0e38\u0e39", "\u0e31\u0e34\u0e35\u0e36\u0e37\u0e47", "\u0e48\u0e49\u0e4a\u0e4b", "\u0e4d",
     "\u0e4c\u0e4e"),
    # Lao: virama, semivowel, below, above, tones, niggahita, the rest
    ("\u0eba", "\u0ebc", "\u0eb8\u0eb9", "\u0eb1\u0eb4\u0eb5\u0eb6\u0eb7\u0ebb", "\u0ec8\u0ec9\u0eca\u0ecb", "\u0ecd",
     "\u0ecc\u0ece"),
    # Burmese (Unicode Technical Note 11): virama, medials, e, above, below, aa, anusvara, dot below, asat, visarga
    ("\u1039", "\u103b", "\u103c", "\u103d", "\u103e", "\u1031", "\u102d\u102e\u1032", "\u102f\u1030", "\u102b\u102c",
     "\u1036", "\u1037", "\u103a", "\u1038"),
    # Khmer: coeng, shifters, robat, vowels, nikahit, the rest
    ("\u17d2", "\u17c9\u17ca", "\u17cc", "\u17b6\u17b7\u17b8\u17b9\u17ba\u17bb\u17bc\u17bd\u17c0\u17c1\u17c2\u17c3\u17c5",
     "\u17c6", "\u17c7\u17c8\u17cb\u17cd\u17ce\u17cf\u17d0\u17d1\u17d3", "\u17dd"),
)  # fmt: skip
_CANONICAL = 100  # places from here on are canonical combining classes


@functools.cache
def _places() -> dict[str, int]:
    """Mark -> its place in its script's order, from 1; other marks have _CANONICAL + their canonical class."""
    return {mark: place for order in _ORDERS for place, marks in enumerate(order, 1) for mark in marks}


def _expansion(character: str) -> str:
    """What one character folds to, alone."""
    if character in _INVISIBLE:
        return ""
    shown = (part for part in unicodedata.normalize("NFKD", character) if part not in _INVISIBLE)
    out = ""
    for part in "".join(unicodedata.normalize("NFKD", part.casefold()) for part in shown):
        category = unicodedata.category(part)
        if category[0] == "P" or category in _LEFT_OUT:
            continue
        digit = unicodedata.decimal(part, None)
        out += _ALIKE.get(part, part) if digit is None else str(digit)
    return out


class _Table:
    """What every code point folds to; a row is filled when its code point is first met."""

    def __init__(self) -> None:
        self.known = np.zeros(0x110000, dtype=np.bool_)
        self.length = np.zeros(0x110000, dtype=np.uint8)
        self.single = np.zeros(0x110000, dtype=np.uint32)  # the first code point of the expansion
        self.place = np.zeros(
            0x110000, dtype=np.uint16
        )  # of a folded code point: 0 for what begins a cluster
        self.longer: dict[int, list[int]] = {}
        self.known[_SEPARATOR], self.length[_SEPARATOR] = True, 1

    def meet(self, codes: Codes) -> None:
        """Fill the rows of these code points."""
        new = codes[~self.known[codes]]
        for code in np.unique(new).tolist() if len(new) else ():
            out = [ord(part) for part in _expansion(chr(code))]
            self.length[code] = len(out)
            self.single[code] = out[0] if out else 0
            if len(out) > 1:
                self.longer[code] = out
            for part in out:
                mark = chr(part)
                canonical = unicodedata.combining(mark)
                self.place[part] = _places().get(mark, _CANONICAL + canonical if canonical else 0)
            self.known[code] = True


_TABLE = _Table()


@dataclass(frozen=True, slots=True)
class Folded:
    """Folded code points and where each came from."""

    codes: Codes  # [F]
    origin: Int  # [F] position of the code point that it comes from


def codes_of(text: str) -> Codes:
    """[C] code points of a text.

    Raises:
        InputError: the text holds lone surrogates, so it was no valid UTF-8.
    """
    try:
        return np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    except UnicodeEncodeError as error:
        raise InputError(
            f"the text is not valid Unicode (a lone surrogate at character {error.start})", "give it as UTF-8"
        ) from error


def fold_codes(codes: Codes) -> Folded:
    """Fold code points [C]."""
    _TABLE.meet(codes)
    lengths = _TABLE.length[codes]
    if (lengths == 1).all():
        out, origin = _TABLE.single[codes], np.arange(len(codes), dtype=np.int64)
    else:
        origin = np.repeat(np.arange(len(codes), dtype=np.int64), lengths)
        out = _TABLE.single[codes[origin]]
        _fill_longer(codes, lengths, out)
    return _in_order(out, origin)


def _fill_longer(codes: Codes, lengths: NDArray[np.uint8], out: Codes) -> None:
    """Write the second and later code points of expansions into `out`."""
    many = np.flatnonzero(lengths > 1)
    if not len(many):
        return
    starts = np.cumsum(lengths, dtype=np.int64)[many] - lengths[many]
    kinds = codes[many]
    for code in np.unique(kinds).tolist():
        here = starts[kinds == code]
        for offset, part in enumerate(_TABLE.longer[code]):
            out[here + offset] = part


def _in_order(out: Codes, origin: Int) -> Folded:
    """Sort the marks of every cluster whose marks are out of order; equal places keep their order."""
    place = _TABLE.place[out]
    wrong = (place[:-1] > place[1:]) & (place[1:] > 0)
    if not wrong.any():
        return Folded(out, origin)
    cluster = np.cumsum(place == 0)
    touched = np.zeros(int(cluster[-1]) + 1, dtype=np.bool_)
    touched[cluster[:-1][wrong]] = True
    here = np.flatnonzero(touched[cluster])
    order = here[np.lexsort((place[here], cluster[here]))]  # lexsort is stable
    out, origin = out.copy(), origin.copy()
    out[here], origin[here] = out[order], origin[order]
    return Folded(out, origin)


def fold(text: str) -> Folded:
    """Fold one text; a U+0000 in it is left out like every control character.

    Raises:
        InputError: lone surrogates.
    """
    return fold_codes(codes_of(text.replace("\0", " ") if "\0" in text else text))


def folded_bytes(codes: Codes) -> bytes:
    """Folded code points as UTF-8."""
    return codes.tobytes().decode("utf-32-le").encode()


def is_mark(codes: Codes) -> NDArray[np.bool_]:
    """[F] which folded code points belong to the cluster of the one before."""
    return _TABLE.place[codes] > 0


def starts_cluster(codes: Codes) -> NDArray[np.bool_]:
    """[C] before which code points a text may be cut: what they fold to begins with a base letter."""
    _TABLE.meet(codes)
    found: NDArray[np.bool_] = (_TABLE.length[codes] > 0) & (_TABLE.place[_TABLE.single[codes]] == 0)
    return found
