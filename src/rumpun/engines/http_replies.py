"""What OpenAI-compatible servers reply, read and checked, and how they are asked for a score."""

import math
import time
from email.utils import parsedate_to_datetime
from typing import Any, Final

import msgspec

from rumpun.engines.port import Score
from rumpun.errors import EnvironmentFault, UsageError

__all__ = [
    "STARTS",
    "Refused",
    "check_event",
    "count_of",
    "echo",
    "first_size",
    "models_of",
    "score_of",
    "seconds_of",
    "vectors_of",
]

# what may stand before a text to score, the first that the server reads as one token: end-of-text tokens of GPT-2, Qwen
# and SmolLM, of Llama 3, of Gemma, of Llama 2 and Mistral
STARTS: Final = ("<|endoftext|>", "<|end_of_text|>", "<eos>", "</s>")


def echo(prompt: str) -> dict[str, Any]:
    """The fields of a completion that tells the log-probabilities of its prompt."""
    return {
        "prompt": prompt, "max_tokens": 1, "temperature": 0, "echo": True, "logprobs": 1,
        "add_special_tokens": False,
    }  # fmt: skip


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
    used = msgspec.convert(body, _Event).usage
    for count in (used.prompt_tokens, used.completion_tokens) if used else ():
        if count is not None and not math.isfinite(count):
            raise ValueError(f"{count} tokens")


class _Vector(msgspec.Struct):
    embedding: list[float]
    index: int = 0


class _Vectors(msgspec.Struct):
    data: list[_Vector]


def vectors_of(reply: dict[str, Any], count: int) -> list[list[float]]:
    """So many vectors in the order asked.

    Raises:
        ValueError: others came, or none.
    """
    rows = sorted(msgspec.convert(reply, _Vectors).data, key=lambda row: row.index)
    if len(rows) != count or not all(row.embedding for row in rows):
        raise ValueError(f"{len(rows)} vectors, of {sorted({len(row.embedding) for row in rows})} numbers")
    if len({len(row.embedding) for row in rows}) > 1:
        raise ValueError("vectors of unequal length")
    return [row.embedding for row in rows]


def count_of(reply: dict[str, Any]) -> int | None:
    """How many tokens a `/tokenize` tells: vLLM counts, llama.cpp lists them; None where there is neither."""
    count, tokens = reply.get("count"), reply.get("tokens")
    if isinstance(count, int):
        return count
    return len(tokens) if isinstance(tokens, list) else None


def models_of(reply: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Each model that `/models` lists, by its id."""
    listed = reply.get("data")
    entries = listed if isinstance(listed, list) else ()
    return {str(each["id"]): each for each in entries if isinstance(each, dict) and "id" in each}


def first_size(reply: dict[str, Any]) -> int:
    """Characters of a prompt's first token, 0 where a completion tells no log-probabilities of its prompt."""
    try:
        found = reply["choices"][0]["logprobs"]
        values, offsets = found["token_logprobs"], found["text_offset"]
        return int(offsets[1] - offsets[0]) if len(values) >= 2 and values[1] is not None else 0
    except (KeyError, IndexError, TypeError, ValueError):
        return 0


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
