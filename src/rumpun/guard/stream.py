"""Hold a stream: sentence by sentence, each with the verdict on everything so far."""

from rumpun.guard.guard import Guard
from rumpun.guard.judgement import Judgement
from rumpun.guard.verdict import Verdict
from rumpun.guard.windows import WINDOW
from rumpun.language import SentenceStream

__all__ = ["StreamHold"]


class StreamHold:
    """Text in as it is generated; whole sentences out, each with its verdict.

    The verdict covers everything so far up to and including its sentence: what was found once stays found, so a flag
    once raised stays. Each sentence is judged by itself and together with the text before it, as far as a window of the
    guard reaches, so the time is linear in the text. Joined again, the pieces are the text exactly.
    """

    def __init__(self, guard: Guard, hint: str = "und") -> None:
        """`hint` is the text's language, where it is known."""
        self._guard = guard
        self._sentences = SentenceStream(hint)
        self._tail = ""  # the last WINDOW code points judged
        self._worst: Judgement | None = None

    def feed(self, text: str) -> list[tuple[str, Verdict]]:
        """Add text and take the sentences that are whole by now."""
        return self._judged(self._sentences.feed(text))

    def flush(self) -> list[tuple[str, Verdict]]:
        """Take what is left."""
        return self._judged(self._sentences.flush())

    def _judged(self, pieces: list[str]) -> list[tuple[str, Verdict]]:
        judged = []
        for piece in pieces:
            self._tail = (self._tail + piece)[-WINDOW:]
            for verdict in self._guard.check(list(dict.fromkeys((piece, self._tail))), "answer"):
                self._worst = _worse(self._worst, verdict.judgement)
            assert self._worst is not None
            judged.append((piece, self._guard.decided(self._worst)))
        return judged


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
