"""Hold a stream: sentence by sentence, each with the verdict on everything so far."""

from collections.abc import Collection
from itertools import pairwise

import regex

from rumpun.engines.characters import clusters
from rumpun.guard.guard import Guard
from rumpun.guard.judgement import Judgement
from rumpun.guard.verdict import Verdict
from rumpun.guard.windows import WINDOW
from rumpun.language import SentenceStream
from rumpun.language.segment_syllables import syllables

__all__ = ["StreamHold"]

_CLAUSE = 8  # code points before a comma that is worth stopping at
_LONG = 20  # code points after which the first sentence may go on between words, or between syllables
_DENSE = 3  # a Chinese character says as much as three others
_LOOKED_AT = 160  # code points of the first sentence in which a place to stop is looked for
_COMMAS = regex.compile(r"[,;:،؛၊、，；：៖ๆฯ]\s+|[၊、，；：]|\s[-\u2013\u2014]\s")
_HAN = regex.compile(r"\p{Han}")
_UNSPACED = regex.compile(r"[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Han}\p{Hiragana}\p{Katakana}]")


class StreamHold:
    """Text in as it is generated; whole sentences out, each with its verdict.

    The verdict covers everything so far up to and including its sentence: what was found once stays found, so a flag
    once raised stays. Each sentence is judged by itself and together with the text before it, as far as a window of the
    guard reaches, so the time is linear in the text. Joined again, the pieces are the text exactly.
    """

    def __init__(
        self,
        guard: Guard,
        hint: str = "und",
        *,
        contexts: Collection[str] = (),
        clauses: bool = False,
    ) -> None:
        """Hold a stream.

        Args:
            guard: judges, and decides by its policy.
            hint: the text's language, where it is known.
            contexts: labels of the place, for the policy.
            clauses: give the first sentence out in parts, each after its own verdict, where it is long: the first text
                comes sooner, and what a reader never sees of a flagged first sentence begins with its flagged part.
        """
        self._guard = guard
        self._contexts = contexts
        self._sentences = SentenceStream(hint)
        self._tail = ""  # the last WINDOW code points judged
        self._worst: Judgement | None = None
        self._first = "" if clauses else None  # the first sentence so far, until it is whole
        self._given = 0  # code points of what is not whole yet that are out

    def feed(self, text: str) -> list[tuple[str, Verdict]]:
        """Add text and take what is whole by now."""
        pieces = self._sentences.feed(text)
        if pieces or self._first is None:
            return self._judged(self._rest(pieces))
        self._first += text
        cut = _stop(self._first, self._given)
        part, self._given = self._first[self._given : cut], cut
        return self._judged([part] if part else [])

    def flush(self) -> list[tuple[str, Verdict]]:
        """Take what is left."""
        return self._judged(self._rest(self._sentences.flush()))

    def _rest(self, pieces: list[str]) -> list[str]:
        """The pieces without what is out already."""
        left = []
        for piece in pieces:
            out = min(self._given, len(piece))
            self._given -= out
            left.append(piece[out:])
            self._first = None
        return [piece for piece in left if piece]

    def _judged(self, pieces: list[str]) -> list[tuple[str, Verdict]]:
        judged = []
        for piece in pieces:
            self._tail = (self._tail + piece)[-WINDOW:]
            texts = list(dict.fromkeys((piece, self._tail)))
            for judgement, _ in self._guard.judge(texts, "answer", points=self._guard.policy.points):
                self._worst = _worse(self._worst, judgement)
            assert self._worst is not None
            judged.append((piece, self._guard.decided(self._worst, contexts=self._contexts)))
        return judged


def _stop(text: str, given: int) -> int:
    """How far an unfinished sentence may be given out: behind a comma, or between words; `given` where nowhere.

    Nothing that later text could join to a word, a syllable or a character is given out.
    """
    window = text[given : given + _LOOKED_AT]
    dense = _DENSE if _HAN.match(window) else 1
    commas = (found.end() for found in _COMMAS.finditer(window) if dense * found.end() >= _CLAUSE)
    comma, long = next(commas, _LOOKED_AT), _LONG // dense
    if min(comma, long) >= len(window):
        return given
    characters, at = set(), 0
    for cluster in clusters(window):
        characters.add(at)
        at += len(cluster)
    starts = [start for start, _ in syllables(window)]
    stops = [0]
    for start, following in pairwise([*starts, 0]):
        enough = start >= comma or (start >= long and following)
        apart = window[start - 1].isspace() or _UNSPACED.match(window, start)
        if enough and apart and start in characters:
            stops.append(start)
    return given + stops[-1]


def _worse(one: Judgement | None, other: Judgement) -> Judgement:
    """Both together: the highest of each; language as last seen."""
    if one is None:
        return other
    names = (*one.levels, *(name for name in other.levels if name not in one.levels))
    probabilities = {
        name: max(one.probabilities.get(name, 0.0), other.probabilities.get(name, 0.0))
        for name in (*one.probabilities, *other.probabilities)
    }
    known = other if other.language != "und" else one
    return Judgement(
        role=other.role,
        language=known.language,
        sure=known.sure,
        harm=max(one.harm, other.harm),
        harm_level=max(one.harm_level, other.harm_level),
        probabilities=probabilities,
        levels={name: max(one.levels.get(name, 0), other.levels.get(name, 0)) for name in names},
        rules=one.rules | other.rules,
    )
