"""One request answered: prompt checked, text generated, answer checked. Plain synchronous code, run in a thread.

`answer` yields what happens, in order: one `Opening`, pieces of text, one `Ending`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from rumpun.engines.port import Cancelled, Chunk, Request, Usage
from rumpun.errors import UsageError
from rumpun.serve.bodies import all_texts, user_texts
from rumpun.serve.faults import Fault, bad
from rumpun.serve.models import Place
from rumpun.serve.settings import Settings
from rumpun.serve.watch import check_answer, check_prompt, language_of, public, refusal

if TYPE_CHECKING:
    from rumpun.guard import Guard, Verdict

__all__ = ["Ending", "Happening", "Opening", "answer", "report"]

Ended = Literal["stop", "length", "content_filter", "cancelled"]


@dataclass(frozen=True, slots=True)
class Opening:
    """Before the first text: the prompt's verdict and language."""

    prompt: "Verdict | None"
    language: str


@dataclass(frozen=True, slots=True)
class Ending:
    """After the last text."""

    finish: Ended
    usage: Usage
    answer: "Verdict | None"
    language: str  # of the answer
    tokens_per_second: float | None


Happening = Opening | str | Ending


def answer(
    place: Place, guard: "Guard | None", settings: Settings, request: Request, cancelled: Cancelled
) -> Iterator[Happening]:
    """Answer one request under the guard.

    Raises:
        Fault: 400, the prompt is longer than the model's context.
        UsageError: the engine cannot honour the request.
    """
    _fit(place, request)
    asked = user_texts(request)
    watching = None if settings.guard == "off" else guard
    seen = check_prompt(watching, asked, all_texts(request)) if watching else None
    language = seen.language if seen else language_of(asked[-1] if asked else "")
    yield Opening(seen, language)
    if watching and seen and seen.flagged and settings.guard == "block":
        text, spoken = refusal(language) if request.messages else ("", language)
        if text:
            yield text
        yield Ending("content_filter", _counted(place, request, ""), None, spoken, None)
        return
    try:
        yield from _generated(place, watching, settings, request, cancelled)
    except UsageError as error:
        raise _context_fault(place, request) or error from error


def _generated(
    place: Place, guard: "Guard | None", settings: Settings, request: Request, cancelled: Cancelled
) -> Iterator[Happening]:
    chunks = place.model.engine.stream(request, cancelled)
    try:
        if guard and settings.guard == "block":
            yield from _held(chunks, guard, place, request)
        else:
            yield from _at_once(chunks, guard)
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()


def _at_once(chunks: Iterator[Chunk], guard: "Guard | None") -> Iterator[Happening]:
    pieces: list[str] = []
    last = Chunk()
    for last in chunks:
        if last.text:
            pieces.append(last.text)
            yield last.text
    text = "".join(pieces)
    seen = check_answer(guard, text) if guard else None
    yield _ending(last, seen, seen.language if seen else language_of(text))


def _held(chunks: Iterator[Chunk], guard: "Guard", place: Place, request: Request) -> Iterator[Happening]:
    """Sentence by sentence, each sent after its verdict; the first flagged one ends the answer unsent."""
    from rumpun.guard import StreamHold

    hold = StreamHold(guard)
    sent: list[str] = []
    seen: Verdict | None = None
    last = Chunk()
    for last in chunks:
        for sentence, seen in (*hold.feed(last.text), *(hold.flush() if last.finish else ())):
            if seen.flagged:
                usage = last.usage or _counted(place, request, "".join(sent))
                yield Ending("content_filter", usage, seen, seen.language, last.tokens_per_second)
                return
            sent.append(sentence)
            yield sentence
    yield _ending(last, seen, seen.language if seen else "und")


def _ending(last: Chunk, seen: "Verdict | None", language: str) -> Ending:
    usage = last.usage or Usage(0, 0)
    return Ending(last.finish or "stop", usage, seen, language, last.tokens_per_second)


def _whole(request: Request) -> str:
    if request.prompt is not None:
        return request.prompt
    return "\n".join(message.content for message in request.messages)


def _counted(place: Place, request: Request, text: str) -> Usage:
    """Usage where the engine gave none: the texts' own tokens, without the chat form's."""
    return Usage(*place.model.engine.count_tokens([_whole(request), text]))


def _fit(place: Place, request: Request) -> None:
    """Refuse a prompt that is surely longer than the context.

    A token is at least one byte, so short prompts need no counting; the chat form's own tokens are left to the engine.
    """
    context = place.about.context_tokens
    if 0 < context <= len(_whole(request).encode()):
        tokens = place.model.engine.count_tokens([_whole(request)])[0]
        if tokens >= context:
            raise _too_long(place, request, tokens)


def _context_fault(place: Place, request: Request) -> Fault | None:
    context = place.about.context_tokens
    tokens = place.model.engine.count_tokens([_whole(request)])[0]
    fits = context <= 0 or tokens + 16 * (len(request.messages) + 1) < context
    return None if fits else _too_long(place, request, tokens)


def _too_long(place: Place, request: Request, tokens: int) -> Fault:
    return bad(
        f"the prompt has {tokens} tokens; {place.model.name} reads {place.about.context_tokens} at most, its form and the answer"
        " included: shorten the prompt, or start a new conversation",
        "messages" if request.messages else "prompt",
        "context_length_exceeded",
    )


def report(
    settings: Settings, layer: str, opening: Opening | None, ending: Ending | None = None
) -> dict[str, Any]:
    """The extension field `rumpun` of an answer or of a chunk."""
    speed = ending.tokens_per_second if ending else None
    return {
        "guard": {
            "mode": settings.guard,
            "prompt": public(opening.prompt) if opening else None,
            "answer": public(ending.answer) if ending else None,
        },
        "language": {
            "prompt": opening.language if opening else "und",
            "answer": ending.language if ending else None,
        },
        "layer": layer or None,
        "tokens_per_second": None if speed is None else round(speed, 2),
    }
