"""Request bodies: read within limits, decoded strictly, checked, and turned into the engines' `Request`.

Unknown fields are ignored, as OpenAI does. A field that asks for something that would change the answer and that this
service cannot do (several choices, tools, log-probabilities, JSON schemas) is refused by name, never dropped.
"""

import json
import re
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from rumpun.engines.port import Message, Request
from rumpun.serve.faults import bad
from rumpun.serve.settings import Settings

__all__ = [
    "ChatBody",
    "CompletionBody",
    "EmbeddingBody",
    "GuardChoice",
    "GuardrailBody",
    "ModerationBody",
    "all_texts",
    "chat_request",
    "completion_requests",
    "decode",
    "guard_choice",
    "texts_of",
    "user_texts",
]

Temperature = Annotated[float, Meta(ge=0, le=2)]
Share = Annotated[float, Meta(ge=0, le=1)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
Body = TypeVar("Body")

_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_SEEDS = 2**31  # seeds are taken modulo this: runtimes read larger ones as "choose at random"


class Part(msgspec.Struct):
    """One part of a message's or an input's content."""

    type: str
    text: str | None = None


class StreamOptions(msgspec.Struct):
    """What a stream carries besides its pieces."""

    include_usage: bool | None = None


class ChatMessage(msgspec.Struct):
    """One turn as a client writes it."""

    role: str
    content: str | list[Part] | None = None


class Sampling(msgspec.Struct, kw_only=True):
    """What chat and completion requests share. None everywhere means: not given."""

    model: str | None = None
    max_tokens: int | None = None
    temperature: Temperature | None = None
    top_p: Share | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    n: int | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    logit_bias: dict[str, float] | None = None


class ChatBody(Sampling, kw_only=True):
    """POST /v1/chat/completions."""

    messages: list[ChatMessage]
    max_completion_tokens: int | None = None
    logprobs: bool | None = None
    tools: list[Any] | None = None
    functions: list[Any] | None = None
    response_format: dict[str, Any] | None = None
    modalities: list[str] | None = None


class CompletionBody(Sampling, kw_only=True):
    """POST /v1/completions."""

    prompt: str | list[Any]
    echo: bool | None = None
    best_of: int | None = None
    suffix: str | None = None
    logprobs: int | None = None


class EmbeddingBody(msgspec.Struct, kw_only=True):
    """POST /v1/embeddings."""

    input: str | list[Any]
    model: str | None = None
    encoding_format: str | None = None
    dimensions: int | None = None


class GuardChoice(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How one request wants to be judged; what is left out is the service's."""

    policy: str | None = None
    point: str | None = None
    contexts: list[str] | None = None


class ModerationBody(msgspec.Struct, kw_only=True):
    """POST /v1/moderations."""

    input: str | list[Any]
    model: str | None = None
    role: str | None = None  # who wrote the texts, "user" or "assistant"; not given: the user
    rumpun: GuardChoice | None = None


class GuardrailBody(msgspec.Struct, kw_only=True):
    """POST /beta/litellm_basic_guardrail_api; what is not named here is not looked at."""

    input_type: Literal["request", "response"]
    texts: list[str] | None = None
    structured_messages: list[Any] | None = None
    images: list[Any] | None = None
    tools: list[Any] | None = None
    additional_provider_specific_params: dict[str, Any] | None = None


def decode(raw: bytes, kind: type[Body]) -> Body:
    """A body, checked.

    Raises:
        Fault: 400; it is no JSON object, has a key twice, or a field of the wrong kind or out of range.
    """
    if not raw.strip():
        raise bad("the body is empty; send a JSON object")
    try:
        json.loads(raw, object_pairs_hook=_no_key_twice)
        return msgspec.json.decode(raw, type=kind)
    except _TwiceError as error:
        raise bad(f"the key '{error.args[0][:60]}' stands twice in one object; send it once") from None
    except RecursionError:
        raise bad("the body is nested too deeply; chat needs four levels at most") from None
    except msgspec.ValidationError as error:
        raise _validation_fault(str(error), raw) from None
    except (UnicodeDecodeError, msgspec.DecodeError, ValueError):
        raise bad("the body is not JSON in UTF-8; send one JSON object") from None


def guard_choice(given: dict[str, Any], where: str) -> tuple[GuardChoice, bool]:
    """How a gateway's own parameters want texts to be judged, and whether personal data is to be masked.

    Raises:
        Fault: 400, one of them is of the wrong kind; others than ours are passed by.
    """
    ours = {name: given[name] for name in ("policy", "point", "contexts") if name in given}
    mask = given.get("mask")
    if mask is not None and not isinstance(mask, bool):
        raise bad(f"{where}.mask: expected true or false", f"{where}.mask")
    try:
        return msgspec.convert(ours, GuardChoice), bool(mask)
    except msgspec.ValidationError as error:
        what, _, path = str(error).replace("`", "").partition(" - at $.")
        raise bad(f"{where}.{path}: {what[:1].lower()}{what[1:]}", f"{where}.{path}") from None


class _TwiceError(Exception):
    """A key stands twice."""


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise _TwiceError(next(name for name in names if names.count(name) > 1))
    return found


def _validation_fault(message: str, raw: bytes) -> Exception:
    what, _, path = message.partition(" - at `$")
    path = path.rstrip("`").lstrip(".")
    missing = re.fullmatch(r"Object missing required field `(\w+)`", what)
    if missing:
        path = f"{path}.{missing[1]}" if path else missing[1]
        return bad(f"{path} is missing", path)
    what = what.replace("`", "").replace(" | null", "")
    value = _short_value(raw, path)
    return bad(f"{path or 'the body'}{value}: {what[:1].lower()}{what[1:]}", path or None)


def _short_value(raw: bytes, path: str) -> str:
    """What a short top-level value is, in words; nothing for texts, which stay out of messages."""
    if not re.fullmatch(r"[a-z_]+", path) or path in {"messages", "prompt", "input", "texts", "text"}:
        return ""
    shown = ascii(json.loads(raw).get(path))
    return f" is {shown}" if len(shown) <= 40 else ""


def chat_request(body: ChatBody, settings: Settings) -> Request:
    """What the engine is asked for.

    Raises:
        Fault: 400.
    """
    _refuse(
        tools=bool(body.tools),
        functions=bool(body.functions),
        logprobs=bool(body.logprobs),
        response_format=(body.response_format or {}).get("type", "text") != "text",
        modalities=any(kind != "text" for kind in body.modalities or ()),
    )
    if not body.messages:
        raise bad("messages is empty; send at least one message", "messages")
    messages = tuple(_message(number, message) for number, message in enumerate(body.messages))
    if messages[-1].role == "assistant":
        raise bad("messages ends with an assistant's turn; send a user's turn last", "messages")
    asked = body.max_tokens if body.max_completion_tokens is None else body.max_completion_tokens
    name = "max_tokens" if body.max_completion_tokens is None else "max_completion_tokens"
    return _request(body, settings, _tokens(asked, name, settings), messages=messages)


def completion_requests(body: CompletionBody, settings: Settings) -> list[Request]:
    """What the engine is asked for, one request a prompt.

    Raises:
        Fault: 400.
    """
    _refuse(
        echo=bool(body.echo),
        best_of=(body.best_of or 1) != 1,
        suffix=bool(body.suffix),
        logprobs=body.logprobs is not None,
    )
    prompts = texts_of(body.prompt, "prompt", settings.prompts_max)
    tokens = _tokens(body.max_tokens, "max_tokens", settings)
    return [_request(body, settings, tokens, prompt=prompt) for prompt in prompts]


def texts_of(given: "str | list[Any]", param: str, most: int) -> list[str]:
    """A field that takes a string or a list of strings.

    Raises:
        Fault: 400; it is empty, too long, holds an empty string or something that is no string.
    """
    texts = [given] if isinstance(given, str) else given
    if not texts:
        raise bad(f"{param} is empty; send a string or a list of strings", param)
    if len(texts) > most:
        raise bad(f"{param} has {len(texts)} entries; at most {most} are taken", param)
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise bad(f"{param}[{number}] is no string; lists of token numbers are not supported", param)
        if not text:
            raise bad(f"{param}[{number}] is an empty string; send some text", param)
    return list(texts)


def user_texts(request: Request) -> list[str]:
    """What the user said, in order: the user's turns, or the prompt."""
    if request.prompt is not None:
        return [request.prompt]
    return [message.content for message in request.messages if message.role == "user"]


def all_texts(request: Request) -> list[str]:
    """Everything that the client sent, turns of any role included: it writes them all."""
    return [message.content for message in request.messages] or user_texts(request)


def _request(
    body: Sampling,
    settings: Settings,
    max_tokens: int,
    messages: tuple[Message, ...] = (),
    prompt: str | None = None,
) -> Request:
    if body.n not in {None, 1}:
        raise bad(f"n is {body.n}; this service gives one choice a request", "n", "unsupported_value")
    _refuse(logit_bias=bool(body.logit_bias))
    greedy = body.top_p == 0
    return Request(
        messages=messages,
        prompt=prompt,
        max_tokens=max_tokens,
        temperature=0.0 if greedy else 0.7 if body.temperature is None else body.temperature,
        top_p=1.0 if greedy or body.top_p is None else body.top_p,
        seed=None if body.seed is None else body.seed % _SEEDS,
        stop=_stops(body.stop, settings),
        frequency_penalty=body.frequency_penalty or 0.0,
        presence_penalty=body.presence_penalty or 0.0,
    )


def _message(number: int, message: ChatMessage) -> Message:
    where = f"messages[{number}]"
    role = _ROLES.get(message.role)
    if role is None:
        raise bad(
            f"{where}.role is {message.role[:40]!a}; known: system, developer, user, assistant",
            f"{where}.role",
        )
    content = message.content
    if content is None:
        raise bad(f"{where}.content is missing; send a string", f"{where}.content")
    if isinstance(content, list):
        content = "\n".join(part_text(part, f"{where}.content[{at}]") for at, part in enumerate(content))
    return Message(role, content)  # type: ignore[arg-type]  # one of the three, by the table


def part_text(part: Part, where: str) -> str:
    """The text of a content part.

    Raises:
        Fault: 400; it is an image, sound or file, or has no text.
    """
    if part.type != "text":
        raise bad(f"{where} is of type {part.type[:40]!a}; this service takes parts of type 'text'", where)
    if part.text is None:
        raise bad(f"{where}.text is missing", f"{where}.text")
    return part.text


def _tokens(asked: int | None, name: str, settings: Settings) -> int:
    if asked is None:
        return settings.tokens_default
    if not 1 <= asked <= settings.tokens_max:
        raise bad(f"{name} is {asked}; 1 to {settings.tokens_max} are taken", name)
    return asked


def _stops(given: str | list[str] | None, settings: Settings) -> tuple[str, ...]:
    stops = [given] if isinstance(given, str) else given or []
    if len(stops) > settings.stops_max:
        raise bad(f"stop has {len(stops)} entries; at most {settings.stops_max} are taken", "stop")
    if any(len(stop) > settings.stop_characters_max for stop in stops):
        raise bad(f"a stop string is longer than {settings.stop_characters_max} characters", "stop")
    return tuple(stop for stop in stops if stop)


def _refuse(**asked: bool) -> None:
    for name, is_asked in asked.items():
        if is_asked:
            raise bad(f"{name} is not supported by this service; leave it out", name, "unsupported_parameter")
