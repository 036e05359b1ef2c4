"""Hold a stream: sentence by sentence, each with the verdict on everything so far."""

import numpy as np

from rumpun.guard.guard import WINDOW, Guard, Verdict
from rumpun.language import SentenceStream, identify

__all__ = ["StreamHold"]


class StreamHold:
    """Text in as it is generated; whole sentences out, each with its verdict.

    The verdict covers everything so far up to and including its sentence: the scores are the largest seen yet, so a
    flag once raised stays. Each sentence is judged together with the text before it, as far as a window of the guard
    reaches, so the time is linear in the text. Joined again, the pieces are the text exactly.
    """

    def __init__(self, guard: Guard, hint: str = "und") -> None:
        """`hint` is the text's language, where it is known."""
        self._guard = guard
        self._sentences = SentenceStream(hint)
        self._tail = ""  # the last WINDOW code points judged
        self._most = np.zeros(len(guard.heads.labels), np.float32)
        self._language = hint

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
            found = self._guard.scores([piece, self._tail]).max(axis=0)
            self._most = np.maximum(self._most, found)
            seen = identify(self._tail).language
            self._language = seen if seen != "und" else self._language
            judged.append((piece, self._guard.verdict(self._most, self._language, "answer")))
        return judged
