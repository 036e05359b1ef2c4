"""Digits, separators and disguised letters of every script as ASCII, one for one, so that offsets stay.

The full stops of Thai, Lao, Khmer and Burmese are left alone: none of them separates the digits of a number. Letters
of other alphabets become the Latin ones that they look like only in words with Latin letters, or beside digits.
"""

import functools
import re
import unicodedata

import numpy as np
import numpy.typing as npt

from rumpun.language.homoglyphs import lookalikes

__all__ = ["HOT", "JOINERS", "SEPARATORS", "ZERO_WIDTH", "folded", "thinned"]

ZERO_WIDTH = "\u200b"  # stands for every sign of no width
SEPARATORS = " .\u00b7()\u200b-"  # after folding
JOINERS = ".\u00b7()\u200b-"  # without a space: what they join is one word

_ZEROS = (
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0DE6, 0x0E50,
    0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50,
    0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6,
)  # fmt: skip
_SPACES = "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_HYPHENS = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63"
_NO_WIDTH = (  # first and last: joiners, directions, fillers, shapes, tags; and the box of a keycap
    (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x200C, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x20E3, 0x20E3), (0x3164, 0x3164), (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xE0000, 0xE007F), (0xE0100, 0xE01EF),
)  # fmt: skip
# letters of mathematics, in circles and squares
_STYLED = ((0x1D400, 0x1D7CB), (0x24B6, 0x24E9), (0x1F130, 0x1F149))
_RUN_MOST = 8  # signs of no width in a row that count as one; text with more is left as it is
# what stands in a text, so that the patterns below are tried only where they can match
_TONE, _DOUBLE, _ROUND, _MARK, _RING = 1 << 24, 1 << 25, 1 << 26, 1 << 27, 1 << 28
_POINT = 0x1FFFFF  # the bits of a code point
_TONES = re.compile("(?<=[\u1000-\u103f\u104c-\u108f])[\u1090-\u1099](?![\u1090-\u1099])")
_OTHERS = "\u0370-\u052f\u0531-\u0587\u13a0-\u13f5\uab70-\uabbf"  # Greek, Cyrillic, Armenian, Cherokee
_WORDS = re.compile(rf"(?<![A-Za-z{_OTHERS}])[A-Za-z]*+[{_OTHERS}][A-Za-z{_OTHERS}]*+")
_TOUCHED = "0123456789@()[]/._-"
# digits in circles and brackets, above and below the line: one alone numbers a list or a note
_RINGED = {
    chr(first + n): str(n + (first != 0x2080))
    for first, count in ((0x2460, 9), (0x2474, 9), (0x2776, 9), (0x2780, 9), (0x278A, 9), (0x2080, 10))
    for n in range(count)
} | dict(zip("⓪⓿⁰¹²³⁴⁵⁶⁷⁸⁹", "000123456789", strict=True))
_RINGS = re.compile(f"[{''.join(_RINGED)}]{{4,}}")
_RING_DIGITS = str.maketrans(_RINGED)
# O for zero in a word of digits, save where it is the letter of a passport
_OH = re.compile("[0-9][Oo]|O[0-9]")
_OHS = re.compile(
    "(?<![A-Za-z0-9])(?!O[0-9]{7,8}(?![A-Za-z0-9]))[0-9O](?=[0-9Oo]*[0-9])[0-9Oo]{2,}(?![A-Za-z0-9])"
)
_OH_DIGITS = str.maketrans("Oo", "00")
# Burmese WA is typed for zero, and RA for seven: between digits, before a phone's 9, and WA at a number's end
_ROUNDS = re.compile(
    "(?<=[0-9])[\u101d\u101b]+(?=[0-9])|(?<=[0-9][ -])[\u101d\u101b](?=[0-9]{2})|\u101d(?=9[ -]?[0-9]{5})|(?<=[0-9]{3})\u101d+(?![\u1000-\u103f])"
)
_NEAR = re.compile("[0-9][ -]?[\u101b\u101d]|\u101d[0-9]")  # a quicker look whether there may be one
_ROUND_DIGITS = str.maketrans("\u101d\u101b", "07")
_MARKED = re.compile("[0-9][\u0300-\u036f\u0483-\u0489\u20d0-\u20f0]+")


def _table() -> dict[str, str]:
    found = {chr(0xFF01 + n): chr(0x21 + n) for n in range(94)}  # full width
    for first, last in _STYLED:
        for code in range(first, last + 1):
            plain = unicodedata.normalize("NFKC", chr(code))
            if len(plain) == 1 and plain.isascii():
                found[chr(code)] = plain
    for zero in _ZEROS:
        for n in range(10):
            if unicodedata.decimal(chr(zero + n)) != n:
                raise ValueError(f"U+{zero + n:04X} is not the digit {n}")
            found[chr(zero + n)] = str(n)
    found |= dict.fromkeys(_SPACES, " ") | dict.fromkeys(_HYPHENS, "-")
    for first, last in _NO_WIDTH:
        found |= dict.fromkeys(map(chr, range(first, last + 1)), ZERO_WIDTH)
    return found | dict.fromkeys("\u2027\u30fb\uff65", "\u00b7") | {"\ufe6b": "@"}


# a text without any of these holds nothing that is looked for
HOT = re.compile(rf"[\d@＠﹫{''.join(_RINGED)}]|://")


@functools.cache
def _codes() -> npt.NDArray[np.uint32]:
    """[0x110000] what each code point folds to, and above `_POINT` what may have to be mended where it stands."""
    codes = np.arange(0x110000, dtype=np.uint32)
    for sign, plain in _table().items():
        codes[ord(sign)] = ord(plain)
    codes[0x1090:0x109A] |= _TONE
    codes[[ord(sign) for sign in _doubles()]] |= _DOUBLE
    codes[[0x101B, 0x101D]] |= _ROUND
    codes[[ord(sign) for sign in _RINGED]] |= _RING
    for first, last in ((0x300, 0x36F), (0x483, 0x489), (0x20D0, 0x20E2), (0x20E4, 0x20F0)):
        codes[first : last + 1] |= _MARK
    return codes


@functools.cache
def _doubles() -> dict[str, str]:
    return {double: latin for latin, doubles in lookalikes().items() for double in doubles}


def folded(text: str) -> str:
    """The text as it is searched: digits 0 to 9, spaces, hyphens and letters as ASCII; the same length.

    Burmese text in the Zawgyi encoding writes tone marks with the code points of Shan digits: behind a letter and alone
    they stay.
    """
    if text.isascii():
        return _OHS.sub(lambda found: found.group().translate(_OH_DIGITS), text) if _OH.search(text) else text
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    plain = _codes()[codes]
    hints = int(np.bitwise_or.reduce(plain)) & ~_POINT
    if hints:
        plain &= _POINT
    if hints & _TONE:
        for tone in _TONES.finditer(text):
            plain[tone.start()] = ord(tone.group())
    if not np.array_equal(plain, codes):
        text = plain.tobytes().decode("utf-32-le", "surrogatepass")
    return _mended(text, hints)


def _mended(text: str, hints: int) -> str:
    if hints & _RING:
        text = _RINGS.sub(lambda found: found.group().translate(_RING_DIGITS), text)
    if hints & _DOUBLE:
        text = _WORDS.sub(_latin, text)
    if hints & _ROUND and _NEAR.search(text):
        text = _ROUNDS.sub(lambda found: found.group().translate(_ROUND_DIGITS), text)
    if hints & _MARK:
        text = _MARKED.sub(lambda found: found.group()[0] + ZERO_WIDTH * (len(found.group()) - 1), text)
    if _OH.search(text):
        text = _OHS.sub(lambda found: found.group().translate(_OH_DIGITS), text)
    return text


def _latin(found: "re.Match[str]") -> str:
    """A word in Latin letters, where nothing but doubles stands beside its Latin letters or it touches a digit."""
    word, text = found.group(), found.string
    doubles = _doubles()
    foreign = [sign for sign in word if not sign.isascii()]
    if not all(sign in doubles for sign in foreign):
        return word
    around = text[max(0, found.start() - 1) : found.start()] + text[found.end() : found.end() + 1]
    if len(foreign) == len(word) and not any(sign in _TOUCHED for sign in around):
        return word
    return "".join(doubles.get(sign, sign) for sign in word)


def thinned(text: str, keep: int) -> tuple[str, npt.NDArray[np.intp]]:
    """A folded text with runs of signs of no width, if not too long, cut to `keep` of them; and where each sign stood."""
    pattern = re.compile(f"(?<!{ZERO_WIDTH}){ZERO_WIDTH}{{{keep + 1},{_RUN_MOST}}}+(?!{ZERO_WIDTH})")
    stays = np.ones(len(text), bool)
    for run in pattern.finditer(text):
        stays[run.start() + keep : run.end()] = False
    places = np.flatnonzero(stays)
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    return codes[places].tobytes().decode("utf-32-le", "surrogatepass"), places
