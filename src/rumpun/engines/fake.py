"""An engine without a model, for tests: the same request gives the same words, in many scripts, at once or slowly.

A token is one code point, so that a stream is cut inside nearly every character unless its parts are put together.
"""

import hashlib
import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from rumpun.engines.characters import whole_characters
from rumpun.engines.port import About, Cancelled, Chunk, Finish, Generation, Request, Score, Usage, never
from rumpun.engines.requests import StopCutter, check, joined, need
from rumpun.errors import EnvironmentFault, UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["WORDS", "Ability", "Fake"]

Ability = Literal["generate", "chat", "score", "embed"]

WORDS = (
    "bambu", "sungai", "kampung", "padi", "selamat", "tre", "làng", "nước", "bilog", "kawayan",
    "ไผ่", "แม่น้ำ", "หมู่บ้าน", "ข้าว", "ที่นี่", "ဝါးပင်", "မြစ်ကမ်း", "ရွာသား", "မိန့်", "တက္ကသိုလ်",
    "ឫស្សី", "ទន្លេ", "ភូមិ", "ស្រូវ", "ໄຜ່", "ແຄມນ້ຳ", "மூங்கில்", "க்ஷேத்ரம்", "நெல்", "竹子", "河边",
    "👩‍👩‍👧‍👦", "🇹🇭", "👍🏽", "🎋", "é", "river",
)  # fmt: skip
_EMBED_WIDTH = 32


class Fake:
    """A deterministic engine.

    Args:
        name: of the model.
        context_tokens: code points of prompt and answer together.
        words: of an answer that nothing ends earlier.
        reply: makes the whole answer instead; its text is cut into code points.
        delay_s: seconds before every token.
        fails_at: the token (from 0) at which every answer ends in an EnvironmentFault.
        can: what it offers.
    """

    def __init__(
        self,
        *,
        name: str = "fake",
        context_tokens: int = 4096,
        words: int = 24,
        reply: Callable[[Request], str] | None = None,
        delay_s: float = 0.0,
        fails_at: int | None = None,
        can: frozenset[Ability] = frozenset({"generate", "chat", "score", "embed"}),
    ) -> None:
        self.name = name
        self.context_tokens = context_tokens
        self.words = words
        self.reply = reply
        self.delay_s = delay_s
        self.fails_at = fails_at
        self.can = can
        self.closed = False
        self.running = 0  # streams at this moment
        self.running_most = 0
        self._lock = threading.Lock()

    def about(self) -> About:
        """What this engine is and can do."""
        return About(
            name=self.name,
            engine="fake",
            context_tokens=self.context_tokens,
            vocabulary=0x110000,
            can=self.can,
            architecture="fake",
        )

    def generate(self, requests: Sequence[Request]) -> list[Generation]:
        """Answer each request in turn."""
        return [joined(self.stream(request)) for request in requests]

    def stream(self, request: Request, cancelled: Cancelled = never) -> Iterator[Chunk]:
        """Answer one request in whole characters.

        Raises:
            UsageError: a value out of range, or a prompt longer than the context.
            EnvironmentFault: at the token `fails_at`, or the engine is closed.
        """
        self._open()
        check(request, self.about())
        prompt = _prompt(request)
        if len(prompt) >= self.context_tokens:
            raise UsageError(
                f"the prompt has {len(prompt):,} tokens; the context of {self.name} holds {self.context_tokens:,}",
                "shorten the prompt",
            )
        return self._stream(request, prompt, cancelled)

    def _stream(self, request: Request, prompt: str, cancelled: Cancelled) -> Iterator[Chunk]:
        made = 0
        finish: Finish = "stop"
        limit = min(request.max_tokens, self.context_tokens - len(prompt))

        def tokens() -> Iterator[str]:
            nonlocal made, finish
            for token in self._tokens(request, prompt):
                if cancelled():
                    finish = "cancelled"
                    return
                if made == limit:
                    finish = "length"
                    return
                if made == self.fails_at:
                    raise EnvironmentFault(
                        f"{self.name} failed at token {made}, as it was made to", "ask again"
                    )
                if self.delay_s:
                    time.sleep(self.delay_s)
                made += 1
                yield token

        with self._lock:
            self.running += 1
            self.running_most = max(self.running_most, self.running)
        start = time.perf_counter()
        try:
            cutter = StopCutter(request.stop)
            for text in whole_characters(cutter.cut(tokens())):
                yield Chunk(text=text)
            seconds = max(time.perf_counter() - start, 1e-9)
            yield Chunk(
                finish="stop" if cutter.found else finish,
                usage=Usage(len(prompt), made),
                tokens_per_second=made / seconds,
            )
        finally:
            with self._lock:
                self.running -= 1

    def _tokens(self, request: Request, prompt: str) -> Iterator[str]:
        if self.reply is not None:
            yield from self.reply(request)
            return
        drawn = request.seed if request.temperature > 0 else 0
        if drawn is None:
            drawn = random.getrandbits(64)
        source = random.Random(f"{self.name}\0{prompt}\0{drawn}")  # noqa: S311  (words for tests)
        for number in range(self.words):
            yield from (" " if number else "") + source.choice(WORDS)
        yield "."

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[Score]:
        """Made-up log-probabilities: each code point by itself and the three before it."""
        self._open()
        need(self.about(), "score")
        return [self._score(context, continuation) for context, continuation in pairs]

    def _score(self, context: str, continuation: str) -> Score:
        text = "\0\0\0" + context + continuation
        first = len(text) - len(continuation)
        total = sum(-5.0 * _share(self.name, text[at - 3 : at + 1]) - 0.01 for at in range(first, len(text)))
        return Score(float(total), len(continuation))

    def embed(self, texts: Sequence[str]) -> "npt.NDArray[np.float32]":
        """Unit vectors, [n, 32]: texts that share triples of code points lie closer."""
        import numpy as np

        self._open()
        need(self.about(), "embed")
        rows = np.zeros((len(texts), _EMBED_WIDTH), np.float32)
        for row, text in zip(rows, texts, strict=True):
            padded = f"\0\0{text}\0"
            for triple in zip(padded, padded[1:], padded[2:], strict=False):
                row[int(_share("", "".join(triple)) * _EMBED_WIDTH)] += 1
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Code points of each text."""
        self._open()
        return [len(text) for text in texts]

    def close(self) -> None:
        """Refuse everything from now on."""
        self.closed = True

    def _open(self) -> None:
        if self.closed:
            raise EnvironmentFault(f"{self.name} is closed", "open the engine again")


def _prompt(request: Request) -> str:
    if request.prompt is not None:
        return request.prompt
    turns = [f"<{message.role}>{message.content}\n" for message in request.messages]
    return "".join(itertools.chain(turns, ["<assistant>"]))


def _share(*parts: str) -> float:
    """A number from 0 up to 1 that depends on nothing but the parts."""
    digest = hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=4).digest()
    return int.from_bytes(digest, "big") / 2**32
