"""The port that every engine stands behind.

An engine is synchronous and thread-safe: the service calls `stream` from many threads at once. Engines raise
`UsageError` for parameters they cannot honour and `InputError` for models they cannot read; they never print.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = [
    "About",
    "Cancelled",
    "Chunk",
    "Engine",
    "Finish",
    "Generation",
    "Message",
    "Request",
    "Score",
    "Usage",
    "never",
]

Finish = Literal["stop", "length", "cancelled"]
Cancelled = Callable[[], bool]  # asked before each token; True ends the stream with finish "cancelled"


def never() -> bool:
    """The `Cancelled` of a stream that nobody ends early."""
    return False


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One thing to generate: a chat (`messages`) or a text to go on from (`prompt`), never both."""

    messages: tuple[Message, ...] = ()
    prompt: str | None = None
    max_tokens: int = 256  # generated at most; 1 or more
    temperature: float = 0.7  # 0 is greedy
    top_p: float = 1.0
    seed: int | None = None  # same engine, request and seed: same text
    stop: tuple[str, ...] = ()  # generation ends before the first of these; they are not in the text
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A piece of a stream: whole characters (extended grapheme clusters). The last has `finish` and `usage`."""

    text: str = ""
    finish: Finish | None = None
    usage: Usage | None = None
    tokens_per_second: float | None = None  # of generation, in the last chunk


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One finished generation."""

    text: str
    finish: Finish
    usage: Usage


@dataclass(frozen=True, slots=True)
class Score:
    """How probable a continuation is after its context."""

    logprob: float  # natural logarithm, summed over the continuation's tokens
    tokens: int  # of the continuation


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What an engine is."""

    name: str  # the model's name, as people type it
    engine: Literal["llamacpp", "hf", "http", "fake"]
    context_tokens: int
    vocabulary: int  # tokens; 0 when unknown
    can: frozenset[Literal["generate", "chat", "score", "embed"]]
    path: str = ""  # file, folder or URL
    architecture: str = ""


class Engine(Protocol):
    """What every engine offers. Ability beyond `about().can` raises `UsageError`."""

    def about(self) -> About:
        """What this engine is and can do."""
        ...

    def generate(self, requests: Sequence[Request]) -> list[Generation]:
        """Answer many requests, together where the engine can; answers stand in the order asked."""
        ...

    def stream(self, request: Request, cancelled: Cancelled = never) -> Iterator[Chunk]:
        """Answer one request piece by piece; the last chunk has `finish` and `usage`."""
        ...

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[Score]:
        """Log-probability of each (context, continuation).

        The tokens are those of the whole text `context + continuation` in the model's own canonical tokenization
        without special tokens; a token belongs to the continuation when any of its bytes does. One end-of-text token
        of the model stands before everything. Texts longer than the model's context are scored in windows that
        overlap by half, each token once.
        """
        ...

    def embed(self, texts: Sequence[str]) -> "npt.NDArray[np.float32]":
        """Unit vectors, [n, width]."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, without special tokens."""
        ...

    def close(self) -> None:
        """Free memory, threads and connections; calling it twice is fine."""
        ...
