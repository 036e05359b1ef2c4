"""NFC with its edits, and a quick answer for text that is in it already.

`unicodedata` answers at once for most scripts, but composes the whole text where a code point might combine with the
one before it: in Burmese, Tamil and Balinese that is nearly every text. There the pairs that do combine are looked for.
"""

import functools
import re
import unicodedata

from rumpun.language.offsets import Edit, rewrite

__all__ = ["MAYBE", "combining", "compose", "is_composed"]

MAYBE = "\u0bbe\u0bd7\u102e\u1b35"  # vowel signs that combine with few letters
_MAYBE_LOOK = re.compile(f"[{MAYBE}]")
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
_KNOWN = "\u0bbe\u0bd7\u0bcd\u102e\u1037\u1039\u103a\u1b34\u1b35\u1b44\u0e38-\u0e3a\u0e48-\u0e4b\u17d2"


def is_composed(text: str) -> bool:
    """Whether a text is in NFC."""
    if _MAYBE_LOOK.search(text):
        others, pairs = _patterns()
        if not others.search(text) and not pairs.search(text) and not _ASTRAL.search(text):
            return True
    return unicodedata.is_normalized("NFC", text)


def compose(text: str) -> tuple[str, list[Edit]]:
    """The text in NFC, and the edits; line by line, since nothing composes with a line end."""
    if is_composed(text):
        return text, []
    lines, edits, start = text.split("\n"), [], 0
    for number, line in enumerate(lines):
        if not is_composed(line):
            lines[number], found = _compose(line)
            edits += [(start + a, start + b, length) for a, b, length in found]
        start += len(line) + 1
    return "\n".join(lines), edits


def _compose(line: str) -> tuple[str, list[Edit]]:
    whole = unicodedata.normalize("NFC", line)
    composed, edits = rewrite(line, _clusters(), lambda found: unicodedata.normalize("NFC", found.group()))
    if composed != whole:  # a code point newer than one of the two libraries' tables
        return whole, [(0, len(line), len(whole))]
    return composed, edits


@functools.cache
def combining() -> frozenset[int]:
    """Code points below 0x20000 that may combine with the one before, change place among marks, or are never in NFC."""
    found = {*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)}  # Hangul vowels and finals
    for code in (
        *range(0xC0, 0x3400),
        *range(0xA000, 0xAC00),
        *range(0xF900, 0x12000),
        *range(0x16000, 0x1F000),
    ):
        sign = chr(code)
        if unicodedata.combining(sign) or not unicodedata.is_normalized("NFC", sign):
            found.add(code)
        second = unicodedata.decomposition(sign).partition(" ")[2]
        if second and not unicodedata.decomposition(sign).startswith("<"):
            found.add(int(second, 16))
    return frozenset(found)


@functools.cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What calls for a full check: code points that combine, save the known; and pairs of the known that do."""
    known = re.compile(f"[{_KNOWN}]")
    signs = [chr(code) for code in sorted(combining()) if code < 0x10000]
    others = "".join(sign for sign in signs if not known.match(sign))
    marks = [sign for sign in signs if known.match(sign)]
    order = {mark: unicodedata.combining(mark) for mark in marks}
    pairs = ["[\u0bc6\u0bc7]\u0bbe", "[\u0b92\u0bc6]\u0bd7", "[\u1025]\u102e",
             "[\u1b05\u1b07\u1b09\u1b0b\u1b0d\u1b11\u1b3a\u1b3c\u1b3e\u1b3f\u1b42]\u1b35"]  # fmt: skip
    for mark in marks:
        later = "".join(sign for sign in marks if order[sign] > order[mark] > 0)
        if later:
            pairs.append(f"[{later}]{mark}")
    leads = "".join(sorted({sign for pair in pairs for sign in pair[1:-2]}))
    ends = "".join(sorted({pair[-1] for pair in pairs}))
    tails = "|".join(f"(?<={pair[:-1]}){pair[-1]}" for pair in pairs)
    return re.compile(f"[{re.escape(others)}]"), re.compile(f"[{leads}](?=[{ends}])(?:{tails})")


@functools.cache
def _clusters() -> re.Pattern[str]:
    """What NFC may change: code points that combine or are never in NFC, with the one before them."""
    import regex

    found: re.Pattern[str] = regex.compile(r"(?V1s).?[[^\p{ccc=0}]\p{NFC_QC=No}\p{NFC_QC=Maybe}]+")
    return found
