"""How real people type: in Latin letters, with slips, with words of English in between.

Each row is changed by at most one of these, with a small probability, and keeps its target: the vector of the clean
English side.
"""

import random
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rumpun.language.romanise import romanised

__all__ = ["Noise", "slips"]

_LATIN_TOO = frozenset({"vi", "th", "lo", "km", "my", "ta"})  # what `romanised` knows to write
_WORD = re.compile(r"[A-Za-z]{3,}")


@dataclass(frozen=True, slots=True)
class Noise:
    """Shares of the rows that each kind of noise changes, and the word lists that mixing needs."""

    latin: float = 0.0  # Thai, Lao, Khmer, Burmese, Tamil in Latin letters, Vietnamese without its accents
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
        if language in _LATIN_TOO and luck < self.latin:
            return romanised(text, draw)
        if luck >= 1 - self.slips:
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
