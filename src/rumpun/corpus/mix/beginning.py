"""The beginning of a long text, ended where a reader would end it."""

import re
import unicodedata

__all__ = ["beginning"]

# from the best border to the worst; a cut is made after the match
_BORDERS = (
    re.compile(r"\n[ \t]*\n\s*"),  # a paragraph's end
    re.compile(r"\n"),
    re.compile(r"[.!?。！？။។]['\"”’)]*\s+|[。！？။។]"),  # a sentence's end
    re.compile(r"\s+"),
)
_JOINERS = "\u200d\u1039\u17d2"  # zero-width joiner, Myanmar and Khmer signs that stack the next letter


def beginning(text: str, limit: int) -> str:
    """The text, or its first characters, at most `limit` of them.

    Ends at the last paragraph border that leaves at least a quarter of the limit, else at a line's end, a sentence's
    end, a space, and only then between letters (never before a combining mark or inside a stacked consonant).
    """
    return text if len(text) <= limit else text[: _cut(text, limit)]


def _cut(text: str, limit: int) -> int:
    for border in _BORDERS:
        last = 0
        for match in border.finditer(text, limit // 4, limit):
            last = match.end()
        if last:
            return last
    cut = limit
    while cut > 1 and (
        unicodedata.category(text[cut])[0] == "M" or text[cut - 1] in _JOINERS or text[cut] in _JOINERS
    ):
        cut -= 1
    return cut if cut > 1 else limit
