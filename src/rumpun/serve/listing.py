"""GET /v1/models, GET /v1/models/{id} and GET /healthz."""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from rumpun.serve.models import Place, Shelf
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
            "engine": about.engine,
            "context_tokens": about.context_tokens,
            "can": sorted(about.can),
            "page": f"/models/{served.name}",
        },
    }


async def models(request: Request) -> Response:
    """Every model; the first is the default."""
    shelf = service_of(request).shelf
    data = [_entry(shelf, place) for place in shelf.places.values()]
    return Response(msgspec.json.encode({"object": "list", "data": data}), media_type="application/json")


async def model(request: Request) -> Response:
    """One model."""
    shelf = service_of(request).shelf
    place = shelf.find(request.path_params["name"])
    return Response(msgspec.json.encode(_entry(shelf, place)), media_type="application/json")


async def health(request: Request) -> Response:
    """Whether it answers, and how busy it is."""
    service = service_of(request)
    body = {
        "status": "closing" if service.closing else "ok",
        "models": {
            name: {"slots": place.model.slots, "busy": place.turns.busy, "waiting": place.turns.waiting}
            for name, place in service.shelf.places.items()
        },
    }
    return Response(msgspec.json.encode(body), 503 if service.closing else 200, media_type="application/json")
