"""What every engine does with a request before and after its model: checks of values, and stop strings in a stream."""

import math
import re
from collections.abc import Iterable, Iterator

from rumpun.engines.port import About, Chunk, Generation, Request
from rumpun.errors import EnvironmentFault, UsageError

__all__ = ["StopCutter", "check", "joined", "need", "plain", "seed_32", "steering"]

_STOPS_MAX = 16
_SEEDS = (
    4_294_967_291  # the largest prime below 2**32: runtimes take 32 bits, and the largest means "at random"
)


def steering(tokens: Iterable[str]) -> re.Pattern[str]:
    """A pattern of the tokens that steer a model ("<|im_end|>"), for `plain`; the longest are found first."""
    found = sorted({token for token in tokens if len(token) > 2}, key=lambda token: (-len(token), token))
    return re.compile("|".join(map(re.escape, found)) or r"(?!)")


def plain(content: str, steers: re.Pattern[str]) -> str:
    """A turn in which what looks like a token that steers the model is text and opens no turn.

    A template's text is tokenised with such tokens alive, so a zero-width space breaks those that a client sent.
    """
    return steers.sub(lambda found: f"{found[0][0]}\u200b{found[0][1:]}", content)


def check(request: Request, about: About) -> None:
    """Refuse a request whose values no engine can honour.

    Raises:
        UsageError: names the field, its value, and what was expected.
    """
    if (request.prompt is None) == (not request.messages):
        raise UsageError(
            "a request has messages or a prompt, never both and never neither", "give exactly one of them"
        )
    need(about, "chat" if request.messages else "generate")
    _within("max_tokens", request.max_tokens, 1, math.inf)
    _within("temperature", request.temperature, 0, 2)
    _within("top_p", request.top_p, 0, 1)
    _within("frequency_penalty", request.frequency_penalty, -2, 2)
    _within("presence_penalty", request.presence_penalty, -2, 2)
    if request.top_p == 0:
        raise UsageError(
            "top_p = 0: expected more than 0, at most 1", "temperature = 0 takes the likeliest token"
        )
    if len(request.stop) > _STOPS_MAX or "" in request.stop:
        raise UsageError(
            f"stop has {len(request.stop)} strings, {request.stop.count('')} of them empty:"
            f" expected at most {_STOPS_MAX}, none empty",
            "leave stop out where nothing should end the text early",
        )


def _within(field: str, value: float, low: float, high: float) -> None:
    if not (isinstance(value, int | float) and low <= value <= high):
        bounds = f"{low:g} or more" if high == math.inf else f"{low:g} to {high:g}"
        raise UsageError(f"{field} = {value!r}: expected {bounds}", f"set {field} to a number in that range")


def need(about: About, ability: str) -> None:
    """Refuse what an engine cannot do.

    Raises:
        UsageError: names the model, what it lacks, and what it can.
    """
    if ability not in about.can:
        mends = {"chat": "send a prompt instead of messages: this model brings no chat template"}
        raise UsageError(
            f"{about.name} ({about.engine}) cannot {ability}; it can: {', '.join(sorted(about.can)) or 'nothing'}",
            mends.get(ability, "name another model: rumpun bases list"),
        )


def seed_32(seed: int) -> int:
    """Any whole number as a seed of 32 bits; the same number gives the same seed."""
    return seed % _SEEDS


class StopCutter:
    """Ends a stream of text before the first of some strings, wherever the pieces cut them.

    `found` says afterwards whether one of them was met.
    """

    def __init__(self, stops: Iterable[str]) -> None:
        self.stops = tuple(stops)
        self.found = False

    def cut(self, pieces: Iterable[str]) -> Iterator[str]:
        """The text before the first stop string; what could be the start of one is held until that is known."""
        if not self.stops:
            yield from pieces
            return
        held = ""
        for piece in pieces:
            held += piece
            met = [(at + len(stop), at) for stop in self.stops if (at := held.find(stop)) >= 0]
            if met:  # the first to be complete, so that it is the same one however the text was cut
                self.found = True
                at = min(met)[1]
                if at:
                    yield held[:at]
                return
            free = len(held) - self._begun(held)
            if free:
                yield held[:free]
                held = held[free:]
        if held:
            yield held

    def _begun(self, text: str) -> int:
        """Length of the longest end of the text that begins a stop string."""
        longest = min(len(text), max(map(len, self.stops)) - 1)
        for size in range(longest, 0, -1):
            if any(stop.startswith(text[-size:]) for stop in self.stops):
                return size
        return 0


def joined(chunks: Iterator[Chunk]) -> Generation:
    """A whole stream as one answer."""
    text: list[str] = []
    for chunk in chunks:
        text.append(chunk.text)
        if chunk.finish is not None and chunk.usage is not None:
            return Generation(text="".join(text), finish=chunk.finish, usage=chunk.usage)
    raise EnvironmentFault("a stream ended without its last chunk", "ask again")
