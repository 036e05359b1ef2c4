"""The app: every address in one table."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from rumpun.errors import RumpunError, UsageError
from rumpun.serve import embeddings, generation, listing, moderations, page
from rumpun.serve.doors import Doors
from rumpun.serve.faults import Fault, as_fault, error_response
from rumpun.serve.models import ServedModel
from rumpun.serve.settings import Settings
from rumpun.serve.work import Service

if TYPE_CHECKING:
    from rumpun.guard import Guard

__all__ = ["create_app"]


def create_app(
    models: Sequence[ServedModel], guard: "Guard | None" = None, settings: Settings | None = None
) -> Starlette:
    """An app that serves these models, the first as the default.

    The caller owns the engines; `app.state.service` ends streams (`end_streams`) and frees everything (`close`).

    Raises:
        UsageError: no model, two of one name, or a guard mode without a guard.
    """
    chosen = settings or Settings()
    if chosen.guard != "off" and guard is None:
        raise UsageError(
            f"the guard's mode is '{chosen.guard}', and no guard is loaded", "load one, or --guard off"
        )
    service = Service(models, guard, chosen)
    app = Starlette(
        routes=_routes(),
        middleware=[Middleware(Doors, settings=chosen)],
        exception_handlers={Fault: _fault, RumpunError: _fault, HTTPException: _no_such_address},
    )
    app.state.service = service
    return app


def _routes() -> list[BaseRoute]:
    post, get = ["POST"], ["GET"]
    return [
        Route("/v1/chat/completions", generation.chat_completions, methods=post),
        Route("/v1/completions", generation.completions, methods=post),
        Route("/v1/embeddings", embeddings.embeddings, methods=post),
        Route("/v1/moderations", moderations.moderations, methods=post),
        Route("/v1/models", listing.models, methods=get),
        Route("/v1/models/{name:path}", listing.model, methods=get),
        Route("/healthz", listing.health, methods=get),
        Route("/", page.chat, methods=get),
        Route("/models/{name:path}", page.model, methods=get),
        Route("/guard", page.guard, methods=get),
        Mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static"),
    ]


async def _fault(request: Request, error: Exception) -> Response:
    fault = as_fault(error)
    assert fault is not None
    if request.url.path.startswith("/v1"):
        return error_response(fault)
    return page.trouble(request, fault.status, fault.message)


async def _no_such_address(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path
    if error.status_code == 404:
        message = f"there is nothing at {path[:200]}"
    elif error.status_code == 405:
        message = f"{request.method[:20]} is not taken at {path[:200]}; see the Allow header"
    else:
        message = str(error.detail)
    headers = dict(error.headers or {})
    if path.startswith("/v1"):
        return error_response(Fault(error.status_code, message, code="no_such_address", headers=headers))
    return page.trouble(request, error.status_code, message, headers)
