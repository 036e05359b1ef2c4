"""Long texts in pieces that together are the text, cut where a reader would cut."""

import re
import unicodedata

__all__ = ["pieces"]

# from the best border to the worst; a cut is made after the match
_BORDERS = (
    re.compile(r"\n[ \t]*\n\s*"),  # a paragraph's end
    re.compile(r"\n"),
    re.compile(r"[.!?。！？။។]['\"”’)]*\s+|[。！？။។]"),  # a sentence's end
    re.compile(r"\s+"),
)
_JOINERS = "\u200d\u1039\u17d2"  # zero-width joiner, Myanmar and Khmer signs that stack the next letter


def pieces(text: str, limit: int) -> list[str]:
    """Pieces of at most `limit` characters whose concatenation is the text, exactly.

    Cuts at the last paragraph border that leaves at least a quarter of the limit, else at a line's end, a sentence's
    end, a space, and only then between letters (never before a combining mark or inside a stacked consonant).
    """
    found: list[str] = []
    start = 0
    while len(text) - start > limit:
        cut = _cut(text, start, limit)
        found.append(text[start:cut])
        start = cut
    found.append(text[start:])
    return found


def _cut(text: str, start: int, limit: int) -> int:
    for border in _BORDERS:
        last = 0
        for match in border.finditer(text, start + limit // 4, start + limit):
            last = match.end()
        if last > start:
            return last
    cut = start + limit
    while cut > start + 1 and (
        unicodedata.category(text[cut])[0] == "M" or text[cut - 1] in _JOINERS or text[cut] in _JOINERS
    ):
        cut -= 1
    return cut if cut > start + 1 else start + limit
