"""Presidio's addresses: /analyze and /anonymize, and what may be asked for (microsoft/presidio, its API of 2.2)."""

from collections.abc import Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from rumpun.serve.bodies import decode
from rumpun.serve.work import client_of, in_turn, read_body, service_of

__all__ = ["analyze", "anonymize", "recognizers", "supported_entities"]


async def analyze(request: Request) -> Response:
    """Personal data in a text."""
    from rumpun.personal import rest

    return await _answered(request, rest.analyze)


async def anonymize(request: Request) -> Response:
    """The text with something else in the place of what was found."""
    from rumpun.personal import rest

    return await _answered(request, rest.anonymize)


async def supported_entities(request: Request) -> Response:
    """Every entity that may be found; the same in every language."""
    from rumpun.personal.names import entities_known

    del request
    return _json(list(entities_known()))


async def recognizers(request: Request) -> Response:
    """The recognisers' names: one that finds everything, in every language."""
    del request
    return _json(["RumpunRecogniser"])


async def _answered(request: Request, work: Callable[[Any], Any]) -> Response:
    service = service_of(request)
    body = decode(await read_body(request, service.settings), dict[str, Any])
    return _json(
        await in_turn(
            service.guard_turns, service.guard_pool, client_of(request), service.settings, lambda: work(body)
        )
    )


def _json(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
