"""What a reader takes for one character: extended grapheme clusters of Unicode Standard Annex 29."""

import regex

__all__ = ["graphemes"]

_CLUSTER = regex.compile(r"\X")


def graphemes(text: str) -> list[tuple[int, int]]:
    """[start, end) of each grapheme cluster, in code points; together they cover the text."""
    return [found.span() for found in _CLUSTER.finditer(text)]
