"""Streams of text that never cut a character.

A character here is what a reader takes for one: an extended grapheme cluster of Unicode (UAX 29), and beyond it the
marks that UAX 29 leaves apart although they belong to the syllable before (Burmese ာ and း), and a consonant stacked
under another after a virama (Tamil க்ஷ, Javanese, Balinese). A cluster can grow with every code point that follows, so
the last one of a stream's text so far is held until something else begins.
"""

import codecs
from collections.abc import Iterable, Iterator

import regex

__all__ = ["HELD_MAX", "clusters", "decoded", "whole_characters"]

HELD_MAX = 64  # code points held back at most: no writing needs more, an endless run of marks is let go

_CLUSTER = regex.compile(
    r"\X(?:(?=\p{M})\X"
    r"|(?<=[\p{InSC=Virama}\p{InSC=Invisible_Stacker}][\u200c\u200d]*)(?=\p{L})\X)*"
)
_CLOSED = frozenset("\n\t")  # nothing joins these; U+000D waits for U+000A


def clusters(text: str) -> list[str]:
    """The characters of a text; joined they are the text."""
    found: list[str] = _CLUSTER.findall(text)
    return found


def whole_characters(pieces: Iterable[str]) -> Iterator[str]:
    """The same text in pieces that end where a character ends; joined they are the same.

    Args:
        pieces: text cut anywhere between code points.

    Yields:
        Pieces that are never empty. A cluster of more than `HELD_MAX` code points is let go as it stands.
    """
    held = ""
    for piece in pieces:
        if not piece:
            continue
        held += piece
        keep = _open_end(held)
        if keep < len(held):
            yield held[: len(held) - keep]
            held = held[len(held) - keep :]
    if held:
        yield held


def _open_end(text: str) -> int:
    """Code points at the end of a text that later ones could still join."""
    if text[-1] in _CLOSED:
        return 0
    last = 0
    for match in _CLUSTER.finditer(text):
        last = match.start()
    size = len(text) - last
    return size if size <= HELD_MAX else 0


def decoded(pieces: Iterable[bytes]) -> Iterator[str]:
    """UTF-8 cut anywhere, as text: a code point is held until its last byte has come; bad bytes become U+FFFD."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for piece in pieces:
        text = decoder.decode(piece)
        if text:
            yield text
    rest = decoder.decode(b"", final=True)
    if rest:
        yield rest
