"""GET /v1/models, GET /v1/models/{id} and GET /health."""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from rumpun.serve.encoding import ENCODER
from rumpun.serve.models import Place, Shelf
from rumpun.serve.watch import CALM
from rumpun.serve.work import service_of

__all__ = ["health", "model", "models"]


def _entry(shelf: Shelf, place: Place) -> dict[str, Any]:
    about, served = place.about, place.model
    return {
        "id": served.name,
        "object": "model",
        "created": served.created,
        "owned_by": "rumpun",
        "rumpun": {
            "default": place is shelf.default,
            "base": served.base_name or None,
            "layer": served.layer_name or None,
            "system": dict(served.system)
            or None,  # what is put before a chat without a system text, by its language
            "engine": about.engine,
            "context_tokens": about.context_tokens,
            "can": sorted(about.can),
            "page": f"/models/{served.name}",
        },
    }


def _encoder_entry(created: int) -> dict[str, Any]:
    return {
        "id": ENCODER,
        "object": "model",
        "created": created,
        "owned_by": "rumpun",
        "rumpun": {"default": False, "engine": "encoder", "can": ["embed"]},
    }


async def models(request: Request) -> Response:
    """Every model, the first is the default; the encoder last."""
    service = service_of(request)
    shelf = service.shelf
    data = [_entry(shelf, place) for place in shelf.places.values()]
    if service.encoder is not None and ENCODER not in shelf.places:
        data.append(_encoder_entry(shelf.default.model.created))
    return Response(msgspec.json.encode({"object": "list", "data": data}), media_type="application/json")


async def model(request: Request) -> Response:
    """One model."""
    service, name = service_of(request), request.path_params["name"]
    shelf = service.shelf
    if name == ENCODER and service.encoder is not None and name not in shelf.places:
        entry = _encoder_entry(shelf.default.model.created)
    else:
        entry = _entry(shelf, shelf.find(name))
    return Response(msgspec.json.encode(entry), media_type="application/json")


async def health(request: Request) -> Response:
    """Whether it answers, how busy it is, and what each route does about the guard."""
    service = service_of(request)
    watch, settings, encoder = service.watch, service.settings, service.encoder
    routes = watch.states()
    degraded = not all(state in CALM for state in routes.values())
    body = {
        "status": "closing" if service.closing else "degraded" if degraded else "ok",
        "models": {
            name: {"slots": place.model.slots, "busy": place.turns.busy, "waiting": place.turns.waiting}
            for name, place in service.shelf.places.items()
        },
        "guard": {
            "mode": settings.guard,
            "name": watch.guard.name if watch.guard else None,
            "policy": watch.guard.policy.name if watch.guard else None,
            "point": watch.guard.point if watch.guard else None,
            "fails": settings.guard_fail,
            "failures": watch.failures,
            "last_failure": watch.last or None,
            "routes": routes,
        },
        "encoder": encoder.state if encoder else "none",
    }
    return Response(msgspec.json.encode(body), 503 if service.closing else 200, media_type="application/json")
