"""The guard behind other gateways: LiteLLM's generic guardrail and Portkey's webhook.

Both ask «may this pass?» about texts that somebody else carries. Neither can put a message in the place of an answer that
is still to be made: help for a prompt is told as a block whose reason is the help. In an answer it replaces the text.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from rumpun.serve.bodies import GuardChoice, GuardrailBody, decode, guard_choice
from rumpun.serve.faults import bad
from rumpun.serve.watch import Watch, severest
from rumpun.serve.work import client_of, in_turn, read_body, service_of

if TYPE_CHECKING:
    from rumpun.guard import Exchange, Guard, Verdict
    from rumpun.guard.judgement import Role

__all__ = ["litellm", "portkey"]

_PARAMS = "additional_provider_specific_params"
_PLACES = 2000  # texts in one body of Portkey's
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What the guard makes of all texts of one request."""

    worst: "Verdict | None"
    unchecked: str

    @property
    def action(self) -> str:
        return self.worst.action if self.worst else "allow"

    @property
    def message(self) -> str:
        return self.worst.message if self.worst else ""

    def plain(self) -> Json:
        if self.unchecked:
            return {"unchecked": self.unchecked}
        return self.worst.plain() if self.worst else {}


async def litellm(request: Request) -> Response:
    """POST /beta/litellm_basic_guardrail_api."""
    service = service_of(request)
    body = decode(await read_body(request, service.settings), GuardrailBody)
    choice, mask = guard_choice(body.additional_provider_specific_params or {}, _PARAMS)
    texts, most = body.texts or [], service.settings.inputs_max
    if len(texts) > most:
        raise bad(f"texts has {len(texts)} entries; at most {most} are taken", "texts")
    answer = await in_turn(
        service.guard_turns, service.guard_pool, client_of(request), service.settings,
        lambda: _litellm(service.watch, body, texts, choice, mask=mask),
    )  # fmt: skip
    return Response(msgspec.json.encode(answer), media_type="application/json")


def _litellm(watch: Watch, body: GuardrailBody, texts: list[str], choice: GuardChoice, *, mask: bool) -> Json:
    from rumpun.guard import Exchange

    role: Role = "prompt" if body.input_type == "request" else "answer"
    items = [Exchange(text, role) for text in texts if text.strip()]
    whole = _conversation(body.structured_messages or [])
    if whole is not None and role == "prompt":
        items.append(whole)
    outcome = _judged(watch, choice, _PARAMS, items)
    unread = [name for name in ("images", "tools") if getattr(body, name)]
    answer: Json = {"action": "NONE", "rumpun": outcome.plain() | ({"unread": unread} if unread else {})}
    if outcome.action == "block" or (outcome.action == "help" and role == "prompt"):
        return answer | {"action": "BLOCKED", "blocked_reason": outcome.message}
    if outcome.action == "help":
        first = True
        given = []
        for text in texts:  # the message once, in the place of the first text that says anything
            given.append(outcome.message if first and text.strip() else "")
            first = first and not text.strip()
        return answer | {"action": "GUARDRAIL_INTERVENED", "texts": given}
    masked = _masked(texts) if mask else texts
    if masked != texts:
        return answer | {"action": "GUARDRAIL_INTERVENED", "texts": masked}
    return answer


async def portkey(request: Request) -> Response:
    """POST /portkey/webhook; `policy`, `point`, `context` (again and again) and `mask` stand in the webhook's own address."""
    service = service_of(request)
    query = request.query_params
    given: Json = {name: query[name] for name in ("policy", "point") if name in query}
    if "context" in query:
        given["contexts"] = query.getlist("context")
    if query.get("mask") not in {None, "true", "false"}:
        raise bad("mask: expected true or false", "mask")
    choice, mask = guard_choice(given | {"mask": query.get("mask") == "true"}, "query")
    body = decode(await read_body(request, service.settings), dict[str, Any])
    answer = await in_turn(
        service.guard_turns, service.guard_pool, client_of(request), service.settings,
        lambda: _portkey(service.watch, body, choice, mask=mask),
    )  # fmt: skip
    return Response(msgspec.json.encode(answer), media_type="application/json")


def _portkey(watch: Watch, body: Json, choice: GuardChoice, *, mask: bool) -> Json:
    from rumpun.guard import Exchange

    event = body.get("eventType")
    if event not in ("beforeRequestHook", "afterRequestHook"):
        raise bad("eventType: expected beforeRequestHook or afterRequestHook", "eventType")
    side = "request" if event == "beforeRequestHook" else "response"
    role: Role = "prompt" if side == "request" else "answer"
    held = body.get(side)
    if not isinstance(held, dict):
        raise bad(f"{side} is missing; send the hook's context", side)
    carried = held.get("json")
    carried = copy.deepcopy(carried) if isinstance(carried, dict) else {}
    places = _places(carried)
    if len(places) > _PLACES:
        raise bad(f"{side}.json has {len(places)} texts; at most {_PLACES} are taken", side)
    texts = [place.text for place in places if place.text.strip()]
    shown = held.get("text")
    if not texts and isinstance(shown, str) and shown.strip():
        texts = [shown]
    items = [Exchange(text, role) for text in texts]
    whole = _conversation(carried.get("messages")) if role == "prompt" else None
    outcome = _judged(watch, choice, "query", [*items, *([whole] if whole else [])])
    answer: Json = {"verdict": True, "data": {"rumpun": outcome.plain()}}
    if outcome.action == "block" or (outcome.action == "help" and (role == "prompt" or not places)):
        return answer | {"verdict": False, "data": {**answer["data"], "message": outcome.message}}
    if outcome.action == "help":
        changed = [outcome.message, *[""] * (len(places) - 1)]
    else:
        changed = _masked([place.text for place in places]) if mask else [place.text for place in places]
    if changed == [place.text for place in places]:
        return answer
    for place, text in zip(places, changed, strict=True):
        place.write(text)
    return answer | {"transformedData": {side: {"json": carried}}}


def _judged(watch: Watch, choice: GuardChoice, where: str, items: "Sequence[Exchange]") -> _Outcome:
    guard, contexts = watch.chosen(choice, where)

    def work(guard: "Guard") -> "Verdict | None":
        return severest(guard.check(items, contexts=contexts)) if items else None

    return _Outcome(*watch.run(work, guard))


def _masked(texts: list[str]) -> list[str]:
    from rumpun.personal import Masker

    return [masked.text for masked in Masker().mask_all(texts)]


def _conversation(messages: Any) -> "Exchange | None":
    """The last turn of the user with the turns before it; None where there is nothing more than one text."""
    from rumpun.guard import Exchange

    if not isinstance(messages, list):
        return None
    turns = [
        "\n".join(place.text for place in _content(message))
        for message in messages
        if isinstance(message, Mapping) and message.get("role") != "assistant"
    ]
    turns = [turn for turn in turns if turn.strip()]
    return Exchange(turns[-1], "prompt", tuple(turns[:-1])) if len(turns) > 1 else None


@dataclass(frozen=True, slots=True)
class _Place:
    """A text somewhere in a JSON body, and how to put another in its place."""

    text: str
    write: Callable[[str], None]


def _at(holder: Any, key: Any) -> list[_Place]:
    text = holder[key]
    return [_Place(text, lambda new: holder.__setitem__(key, new))] if isinstance(text, str) else []


def _content(message: Any) -> list[_Place]:
    """The texts of one turn: its content, or the text parts of it."""
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, list):
        return [
            place
            for part in content
            if isinstance(part, dict) and "text" in part
            for place in _at(part, "text")
        ]
    return _at(message, "content") if isinstance(content, str) else []


def _places(carried: Json) -> list[_Place]:
    """The texts of a request or of an answer, of any of the kinds that Portkey carries."""
    found: list[_Place] = []
    for name in (
        "system",
        "prompt",
        "input",
        "text",
    ):  # complete, embed, and a turn of its own for a system text
        if isinstance(carried.get(name), str):
            found += _at(carried, name)
    for name in ("system", "prompt", "input", "messages", "content"):
        several = carried.get(name)
        for number, one in enumerate(several if isinstance(several, list) else []):
            if isinstance(one, str):
                found += _at(several, number)
            else:
                found += _content(one)
                found += _at(one, "text") if isinstance(one, dict) and "text" in one else []
    choices = carried.get("choices")
    for choice in choices if isinstance(choices, list) else []:
        if isinstance(choice, dict):
            found += _at(choice, "text") if "text" in choice else _content(choice.get("message"))
    return found
