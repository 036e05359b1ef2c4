"""In which language a chat is to be answered, where its questions tell: for a layer that learnt to answer after a text that says so."""

import functools
from collections.abc import Sequence
from typing import Final

import regex

from rumpun.language import identify, languages

__all__ = ["tongue"]

LEAST: Final = 20  # letters and marks that tell a language by its words, as in `evaluate.spoken`
# of 348 training questions each, 84 % of the Indonesian and 93 % of the Malay ones are found at 0.6, and 5 and 2 % taken for
# the other; without it 9 and 4 %
SURE: Final = 0.6  # probability
_LOOK: Final = 2000  # characters from the end
_LETTER = regex.compile(r"[\p{L}\p{M}]")
# "language" in the working languages: who speaks of one may ask for an answer in it, or for a translation
_LANGUAGE = (
    "language",
    "bahasa",
    "tiếng",
    "ภาษา",
    "wika",
    "ဘာသာ",
    "ភាសា",
    "ພາສາ",
    "மொழி",
    "语",
    "中文",
    "英文",
)


def tongue(turns: Sequence[str]) -> str:
    """BCP-47 of the last turn, or of all turns where it is too short to tell; "" where it is not sure.

    A last turn that speaks of a language, by the word for it or by a name, gives "" too: it may ask for an answer in that one.

    Args:
        turns: what the person has said, in order.
    """
    if not turns or _speaks_of_one(turns[-1]):
        return ""
    said = turns[-1] if _letters(turns[-1]) >= LEAST else "\n".join(turns)
    if _letters(said) < LEAST:
        return ""
    found = identify(said[-_LOOK:])
    return found.language if found.probability >= SURE else ""


def _letters(text: str) -> int:
    return len(_LETTER.findall(text[-_LOOK:]))


@functools.cache
def _names() -> "regex.Pattern[str]":
    names = {name for one in languages().values() for name in (one.english, one.own)}
    return regex.compile(r"(?<![\p{L}\p{M}])\L<names>(?![\p{L}\p{M}])", regex.IGNORECASE, names=sorted(names))


def _speaks_of_one(text: str) -> bool:
    small = text.casefold()
    return any(word in small for word in _LANGUAGE) or _names().search(text) is not None
