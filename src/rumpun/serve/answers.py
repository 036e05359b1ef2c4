"""One request answered: prompt checked, text generated, answer checked. Plain synchronous code, run in a thread.

`answer` yields what happens, in order: one `Opening`, pieces of text, one `Ending`. What the policy says is carried out in
mode "block": block ends the answer, help puts its message in the place of what would have come, care and allow let it
pass. In mode "warn" it is only told.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from rumpun.engines.characters import whole_characters
from rumpun.engines.port import Cancelled, Chunk, Message, Request, Usage
from rumpun.errors import RumpunError, UsageError
from rumpun.serve.bodies import all_texts, user_texts
from rumpun.serve.faults import Fault, bad
from rumpun.serve.models import Place
from rumpun.serve.settings import Settings
from rumpun.serve.tongue import tongue
from rumpun.serve.watch import Watch, language_of, public

if TYPE_CHECKING:
    from rumpun.guard import Guard, StreamHold, Verdict

__all__ = ["Ending", "Happening", "Opening", "answer", "report"]

Ended = Literal["stop", "length", "content_filter", "cancelled"]


@dataclass(frozen=True, slots=True)
class Opening:
    """Before the first text: the prompt's verdict and language."""

    prompt: "Verdict | None"
    language: str
    unchecked: str = ""  # why the prompt was not checked, where the service fails open


@dataclass(frozen=True, slots=True)
class Ending:
    """After the last text."""

    finish: Ended
    usage: Usage
    answer: "Verdict | None"
    language: str  # of the answer
    tokens_per_second: float | None
    unchecked: str = ""  # why the answer, or the rest of it, was not checked, where the service fails open


Happening = Opening | str | Ending


def answer(place: Place, watch: Watch, request: Request, cancelled: Cancelled) -> Iterator[Happening]:
    """Answer one request under the guard.

    Raises:
        Fault: 400, the prompt is longer than the model's context; 503, no verdict could be had and the service fails closed.
        UsageError: the engine cannot honour the request.
    """
    _fit(place, request)
    asked = user_texts(request)
    seen, why = watch.prompt(asked, all_texts(request)) if watch.on else (None, "")
    language = seen.language if seen else language_of(asked[-1] if asked else "")
    yield Opening(seen, language, why)
    if watch.blocks and seen and seen.action in {"block", "help"}:
        helps = seen.action == "help"
        # a refusal inside a text that only goes on would read as a part of it; help is for the person, wherever they are
        if helps or request.messages:
            yield seen.message
        yield Ending(
            "stop" if helps else "content_filter", _counted(place, request, ""), None, language, None
        )
        return
    try:
        happenings = _generated(place, watch, _told(place, request, asked), cancelled)
        yield from _masked(happenings) if watch.settings.mask_personal else happenings
    except UsageError as error:
        raise _context_fault(place, request) or error from error


def _told(place: Place, request: Request, asked: Sequence[str]) -> Request:
    """The request after the layer's system text of the asker's language, where it is a chat without any, and it fits."""
    system = place.model.system
    if not system or not request.messages or any(one.role == "system" for one in request.messages):
        return request
    words = system.get(tongue(asked))
    if words is None:
        return request
    told = replace(request, messages=(Message("system", words), *request.messages))
    return request if _over(place, told) else told


def _generated(place: Place, watch: Watch, request: Request, cancelled: Cancelled) -> Iterator[Happening]:
    chunks = place.model.engine.stream(request, cancelled)
    try:
        if watch.blocks:
            yield from _held(chunks, watch, place, request)
        else:
            yield from _at_once(chunks, watch)
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()


def _at_once(chunks: Iterator[Chunk], watch: Watch) -> Iterator[Happening]:
    pieces: list[str] = []
    last = Chunk()
    for last in chunks:
        if last.text:
            pieces.append(last.text)
            yield last.text
    text = "".join(pieces)
    seen, why = watch.answer(text) if watch.on else (None, "")
    yield _ending(last, seen, seen.language if seen else language_of(text), why)


def _held(chunks: Iterator[Chunk], watch: Watch, place: Place, request: Request) -> Iterator[Happening]:
    """Sentence by sentence, each sent after its verdict; the first that may not pass ends the answer unsent."""
    hold = _Hold(watch)
    last = Chunk()
    for last in chunks:
        for sentence, seen in hold.take(last.text, final=last.finish is not None):
            if seen and seen.action in {"block", "help"}:
                helps = seen.action == "help"
                if helps:
                    yield ("\n\n" if hold.sent else "") + seen.message
                usage = last.usage or _counted(place, request, "".join(hold.sent))
                finish: Ended = "stop" if helps else "content_filter"
                yield Ending(finish, usage, seen, seen.language, last.tokens_per_second)
                return
            hold.sent.append(sentence)
            yield sentence
    language = hold.seen.language if hold.seen else language_of("".join(hold.sent))
    yield _ending(last, hold.seen, language, hold.unchecked)


class _Hold:
    """A stream held by the guard; let go unchecked where there is none and the service fails open."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._text = ""  # what came and is not given out
        self.sent: list[str] = []
        self.seen: Verdict | None = None
        self._stream, self.unchecked = watch.run(self._start)

    def _start(self, guard: "Guard") -> "StreamHold":
        from rumpun.guard import StreamHold

        settings = self._watch.settings
        return StreamHold(guard, contexts=settings.contexts, clauses=settings.hold == "clause")

    def take(self, text: str, *, final: bool) -> "Iterator[tuple[str, Verdict | None]]":
        """What may be looked at by now, with its verdict; what has none may pass.

        Raises:
            Fault: 503, the guard failed and the service fails closed: nothing more may pass.
        """
        self._text += text
        stream = self._stream
        if stream is not None and not self.unchecked:
            judged, self.unchecked = self._watch.run(
                lambda _: [*stream.feed(text), *(stream.flush() if final else ())]
            )
            for piece, self.seen in judged or ():
                self._text = self._text[len(piece) :]
                yield piece, self.seen
        if self.unchecked and self._text:
            rest, self._text = self._text, ""
            yield rest, None


def _masked(happenings: Iterator[Happening]) -> Iterator[Happening]:
    """Personal data masked; what may still grow into an identifier is held until it is sure, whole characters alone."""
    from rumpun.personal import Masker, MaskStream

    ending: list[Happening] = []

    def texts() -> Iterator[str]:
        stream = MaskStream(Masker())
        for happening in happenings:
            if isinstance(happening, str):
                yield stream.feed(happening)
            else:
                ending.append(happening)
        yield stream.flush()

    yield from whole_characters(texts())
    yield from ending


def _ending(last: Chunk, seen: "Verdict | None", language: str, unchecked: str) -> Ending:
    usage = last.usage or Usage(0, 0)
    return Ending(last.finish or "stop", usage, seen, language, last.tokens_per_second, unchecked)


def _whole(request: Request) -> str:
    if request.prompt is not None:
        return request.prompt
    return "\n".join(message.content for message in request.messages)


def _counted(place: Place, request: Request, text: str) -> Usage:
    """Usage where the engine gave none: the texts' own tokens, without the chat form's; zeros where it cannot count."""
    try:
        return Usage(*place.model.engine.count_tokens([_whole(request), text]))
    except RumpunError:  # a server behind without an address for it: no reason to keep a refusal or help back
        return Usage(0, 0)


def _fit(place: Place, request: Request) -> None:
    """Refuse a prompt that is surely longer than the context.

    A token is at least one byte, so short prompts need no counting; the chat form's own tokens are left to the engine.
    """
    if tokens := _over(place, request):
        raise _too_long(place, request, tokens)


def _over(place: Place, request: Request) -> int:
    """Tokens of a prompt that is surely longer than the context; 0 where it may fit."""
    context = place.about.context_tokens
    if not 0 < context <= len(_whole(request).encode()):
        return 0
    tokens = place.model.engine.count_tokens([_whole(request)])[0]
    return tokens if tokens >= context else 0


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


def report(watch: Watch, layer: str, opening: Opening | None, ending: Ending | None = None) -> dict[str, Any]:
    """The extension field `rumpun` of an answer or of a chunk."""
    speed = ending.tokens_per_second if ending else None
    return {
        "guard": _guard_report(watch.settings, opening, ending),
        "language": {
            "prompt": opening.language if opening else "und",
            "answer": ending.language if ending else None,
        },
        "layer": layer or None,
        "tokens_per_second": None if speed is None else round(speed, 2),
    }


def _guard_report(settings: Settings, opening: Opening | None, ending: Ending | None) -> dict[str, Any]:
    """Mode, verdicts, and of both together the severest action with what is to be told."""
    from rumpun.guard.policy.vocabulary import SEVERITY

    seen = [verdict for verdict in (opening and opening.prompt, ending and ending.answer) if verdict]
    action = max((verdict.decision.action for verdict in seen), key=SEVERITY.__getitem__, default=None)
    told = dict.fromkeys(verdict.message for verdict in seen if verdict.action == action and verdict.message)
    why = (opening and opening.unchecked) or (ending and ending.unchecked)
    return {
        "mode": settings.guard,
        "action": action,
        "message": "\n\n".join(told) or None,
        "unchecked": why or None,
        "prompt": public(opening.prompt) if opening else None,
        "answer": public(ending.answer) if ending else None,
    }
