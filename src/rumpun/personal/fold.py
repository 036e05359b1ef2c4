"""Digits, separators and full-width signs of every script as ASCII, one for one, so that offsets stay.

Combining marks, letters and the full stops of Thai, Lao, Khmer and Burmese are left alone: none of them separates
the digits of a number.
"""

import functools
import re
import unicodedata

import numpy as np
import numpy.typing as npt

__all__ = ["HOT", "JOINERS", "SEPARATORS", "ZERO_WIDTH", "folded"]

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
_NO_WIDTH = "\u00ad\u200c\u200d\u2060\ufeff"


def _table() -> dict[str, str]:
    found = {chr(0xFF01 + n): chr(0x21 + n) for n in range(94)}  # full width
    for zero in _ZEROS:
        for n in range(10):
            if unicodedata.decimal(chr(zero + n)) != n:
                raise ValueError(f"U+{zero + n:04X} is not the digit {n}")
            found[chr(zero + n)] = str(n)
    found |= dict.fromkeys(_SPACES, " ") | dict.fromkeys(_HYPHENS, "-") | dict.fromkeys(_NO_WIDTH, ZERO_WIDTH)
    return found | dict.fromkeys("\u2027\u30fb\uff65", "\u00b7")


# a text without any of these holds nothing that is looked for
HOT = re.compile(r"[\d@＠]|://")


@functools.cache
def _codes() -> npt.NDArray[np.uint32]:
    """[0x110000] what each code point folds to."""
    codes = np.arange(0x110000, dtype=np.uint32)
    for sign, plain in _table().items():
        codes[ord(sign)] = ord(plain)
    return codes


def folded(text: str) -> str:
    """The text with its digits as 0 to 9, its spaces, hyphens and full-width signs as ASCII; the same length."""
    if text.isascii():
        return text
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    plain = _codes()[codes]
    if np.array_equal(plain, codes):
        return text
    return plain.tobytes().decode("utf-32-le", "surrogatepass")
