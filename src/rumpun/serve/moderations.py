"""POST /v1/moderations."""

import secrets
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from rumpun.serve.bodies import ModerationBody, Part, decode, part_text, texts_of
from rumpun.serve.faults import Fault, bad
from rumpun.serve.watch import Watch
from rumpun.serve.work import client_of, in_turn, read_body, service_of

if TYPE_CHECKING:
    from rumpun.guard import Guard
    from rumpun.guard.judgement import Role

__all__ = ["moderations"]

_OPENAI_NAMES = ("omni-moderation", "text-moderation")  # clients send these unasked
_UNNAMED = "rumpun-guard"  # where no guard could be loaded


async def moderations(request: Request) -> Response:
    """Verdicts on texts: one a string, or one on all text parts together."""
    service = service_of(request)
    settings, watch = service.settings, service.watch
    body = decode(await read_body(request, settings), ModerationBody)
    name = watch.guard.name if watch.guard else _UNNAMED
    if not (body.model is None or body.model in {name, "default"} or body.model.startswith(_OPENAI_NAMES)):
        raise Fault(
            404,
            f"no guard is called '{body.model[:120]}' here; this service has: {name}",
            param="model",
            code="model_not_found",
        )
    texts = _texts(body.input, settings.inputs_max)
    role = _role(body.role)
    results = await in_turn(
        service.guard_turns,
        service.guard_pool,
        client_of(request),
        settings,
        lambda: _check(watch, body, texts, role),
    )
    whole = {"id": f"modr-{secrets.token_hex(12)}", "model": name, "results": results}
    return Response(msgspec.json.encode(whole), media_type="application/json")


def _texts(given: "str | list[Any]", most: int) -> list[str]:
    if isinstance(given, list) and given and all(isinstance(part, dict) for part in given):
        if len(given) > most:
            raise bad(f"input has {len(given)} entries; at most {most} are taken", "input")
        try:
            parts = msgspec.convert(given, list[Part])
        except msgspec.ValidationError:
            raise bad("input has a part without 'type' and 'text'", "input") from None
        return ["\n".join(part_text(part, f"input[{at}]") for at, part in enumerate(parts))]
    if given in ("", [""]):
        return [""]
    return texts_of(given, "input", most)


def _role(said: str | None) -> "Role":
    roles: dict[str, Role] = {"user": "prompt", "assistant": "answer"}
    if said is not None and said not in roles:
        raise bad(f"role is {said[:40]!a}: expected 'user' or 'assistant'", "role")
    return roles["user" if said is None else said]


def _check(watch: Watch, body: ModerationBody, texts: list[str], role: "Role") -> list[dict[str, Any]]:
    from rumpun.guard.moderation import result, unchecked

    chosen, contexts = watch.chosen(body.rumpun, "rumpun")

    def work(guard: "Guard") -> list[dict[str, Any]]:
        return [result(verdict) for verdict in guard.check(texts, role=role, contexts=contexts)]

    results, why = watch.run(work, chosen)
    return [unchecked(why) for _ in texts] if results is None else results
