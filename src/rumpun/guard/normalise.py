"""The guard's own normaliser: what the heads see of a text.

NFKC; characters of format (zero-width ones among them) removed; case folded; native digits as 0 to 9; a character
that stands three times or more in a row is kept twice. Applied to every text in training and in use alike, so
that spelling tricks of these kinds change nothing. Offsets are not kept.
"""

import unicodedata

import regex

__all__ = ["normalised"]

_FORMAT = regex.compile(
    r"[\p{Cf}\p{Cc}\u034f\u115f\u1160\u17b4\u17b5\u3164\ufe00-\ufe0f--[\n\t\r]]", regex.V1
)
_REPEATED = regex.compile(r"(.)\1{2,}", regex.DOTALL)
_NATIVE_DIGIT = regex.compile(r"[\p{Nd}--[0-9]]", regex.V1)


def _digit(found: "regex.Match[str]") -> str:
    return str(unicodedata.decimal(found.group()))


def normalised(text: str) -> str:
    """Normalise a text; doing it twice gives the same as doing it once."""
    plain = _FORMAT.sub("", unicodedata.normalize("NFKC", text)).casefold()
    plain = _NATIVE_DIGIT.sub(_digit, unicodedata.normalize("NFKC", plain))
    return str(_REPEATED.sub(r"\1\1", plain))
