"""How real people type: without accents, with slips, with words of English in between.

Each row is changed by at most one of these, with a small probability, and keeps its target: the vector of the clean
English side.
"""

import random
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["Noise", "slips", "without_accents"]

_WORD = re.compile(r"[A-Za-z]{3,}")


@dataclass(frozen=True, slots=True)
class Noise:
    """Shares of the rows that each kind of noise changes, and the word lists that mixing needs."""

    accents: float = 0.0  # Vietnamese without its accents
    slips: float = 0.0  # letters left out, doubled, swapped
    mixing: float = 0.0  # English sentences with words of another language in them
    lexicon: Mapping[str, Mapping[str, Sequence[str]]] = field(
        default_factory=dict
    )  # language -> English word -> words

    def apply(self, text: str, language: str, draw: random.Random) -> str:
        """The text as somebody may have typed it."""
        luck = draw.random()
        if language == "en":
            return self._mixed(text, draw) if luck < self.mixing else text
        if language == "vi" and luck < self.accents:
            return without_accents(text)
        if luck < self.accents + self.slips:
            return slips(text, draw)
        return text

    def _mixed(self, text: str, draw: random.Random) -> str:
        """The English text with its words put into another language, one by one, as far as the list goes."""
        if not self.lexicon:
            return text
        words = self.lexicon[draw.choice(sorted(self.lexicon))]
        share = draw.choice((0.3, 0.6, 1.0))

        def other(found: re.Match[str]) -> str:
            choices = words.get(found.group().lower())
            return draw.choice(choices) if choices and draw.random() < share else found.group()

        return _WORD.sub(other, text)


def without_accents(text: str) -> str:
    """Latin letters without their marks, đ as d: what a keyboard without Vietnamese gives."""
    plain = unicodedata.normalize("NFD", text).replace("đ", "d").replace("Đ", "D")
    return unicodedata.normalize("NFC", "".join(c for c in plain if not "\u0300" <= c <= "\u036f"))


def slips(text: str, draw: random.Random) -> str:
    """One letter in about twenty left out, doubled or swapped with the next; marks stay with their letters."""
    out = list(text)
    for _ in range(max(1, len(text) // 20) if text else 0):
        place = draw.randrange(len(out))
        if not out[place].isalpha() or (place + 1 < len(out) and unicodedata.combining(out[place + 1])):
            continue
        kind = draw.randrange(3)
        if kind == 0 and len(out) > 3:
            del out[place]
        elif kind == 1:
            out.insert(place, out[place])
        elif place + 1 < len(out):
            out[place], out[place + 1] = out[place + 1], out[place]
    return "".join(out)
