"""What OpenAI-compatible servers reply, read and checked: events of a stream, log-probabilities of a prompt, refusals."""

import math
import time
from email.utils import parsedate_to_datetime
from typing import Any, Final

import msgspec

from rumpun.engines.port import Score
from rumpun.errors import EnvironmentFault, UsageError

__all__ = ["START", "Refused", "check_event", "has_embedding", "has_logprobs", "score_of", "seconds_of"]

START: Final = "<|endoftext|>"  # stands before a text to score


class Refused(EnvironmentFault):
    """A reply of status 429 or 5xx: the server cannot answer now.

    `wait_seconds` is what its Retry-After asks for, 0 where it says nothing.
    """

    def __init__(self, message: str, hint: str, *, status: int, wait_seconds: float) -> None:
        super().__init__(message, hint)
        self.status, self.wait_seconds = status, wait_seconds


def seconds_of(retry_after: str) -> float:
    """What a Retry-After header asks for (RFC 9110, 10.2.3: seconds or a date); 0 where it says nothing."""
    try:
        wait = float(retry_after)
    except ValueError:
        try:
            wait = parsedate_to_datetime(retry_after).timestamp() - time.time()
        except ValueError:
            return 0.0
    return max(0.0, wait) if math.isfinite(wait) else 0.0


class _Delta(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    text: str | None = None
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | float | None = None
    completion_tokens: int | float | None = None


class _Event(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None


def check_event(body: dict[str, Any]) -> None:
    """Whether what is read of an event of a stream has its form; whatever else it holds is left.

    Raises:
        ValueError: it has not.
    """
    msgspec.convert(body, _Event)


def has_embedding(reply: dict[str, Any]) -> bool:
    """Whether a reply holds a vector."""
    rows = reply.get("data")
    first = rows[0] if isinstance(rows, list) and rows else None
    return isinstance(first, dict) and bool(first.get("embedding"))


def has_logprobs(reply: dict[str, Any]) -> bool:
    """Whether a completion tells the log-probabilities of its prompt, whose first token is `START` alone."""
    try:
        found = reply["choices"][0]["logprobs"]
        values, offsets = found["token_logprobs"], found["text_offset"]
        return len(values) >= 2 and values[1] is not None and offsets[1] - offsets[0] == len(START)
    except (KeyError, IndexError, TypeError):
        return False


class _Logprobs(msgspec.Struct):
    tokens: list[str]
    token_logprobs: list[float | None]


def score_of(logprobs: Any, cut: int, prompt: str) -> Score:
    """The sum over the tokens of `prompt` from the character `cut` on.

    vLLM shows a token that ends inside a character as "", and all of it with the token that completes it: those count
    together, as one.

    Raises:
        UsageError: the tokens spell another text.
        ValueError: something is missing.
    """
    found = msgspec.convert(logprobs, _Logprobs)
    spelt = "".join(found.tokens)
    if len(spelt) < len(prompt) and prompt.startswith(spelt):
        raise ValueError(f"{len(spelt):,} of {len(prompt):,} characters")
    if not spelt.startswith(prompt):
        raise UsageError(
            f"the server's tokens spell {spelt[:60]!r}… where {prompt[:60]!r}… was asked, so none can be placed",
            "use a server that shows whole characters, or a local engine",
        )
    nats: list[float] = []
    held: list[tuple[str, float | None]] = []  # up to a token that completes a character
    begin = 0
    for token, value in zip(found.tokens, found.token_logprobs, strict=True):  # of unequal length: ValueError
        held.append((token, value))
        if token:
            if begin < len(prompt) and begin + len(token) > cut:
                nats += [_number(*each) for each in held]
            begin += len(token)
            held = []
    return Score(math.fsum(nats), len(nats))


def _number(token: str, value: float | None) -> float:
    if value is None:
        raise ValueError(f"none of {token!r}")
    return value
