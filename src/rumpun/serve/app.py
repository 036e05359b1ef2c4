"""The app: every address in one table."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from rumpun.errors import RumpunError
from rumpun.serve import embeddings, gateways, generation, listing, moderations, page, presidio
from rumpun.serve.doors import Doors, is_api
from rumpun.serve.encoding import Embedder, LazyEncoder
from rumpun.serve.faults import Fault, as_fault, error_response
from rumpun.serve.models import ServedModel
from rumpun.serve.settings import Settings
from rumpun.serve.watch import Watch
from rumpun.serve.work import Service

if TYPE_CHECKING:
    from rumpun.guard import Guard

__all__ = ["create_app"]


def create_app(
    models: Sequence[ServedModel],
    guard: "Guard | None" = None,
    settings: Settings | None = None,
    *,
    trouble: str = "",
    encoder: Callable[[], Embedder] | None = None,
) -> Starlette:
    """An app that serves these models, the first as the default.

    The caller owns the engines; `app.state.service` ends streams (`end_streams`) and frees everything (`close`).

    Args:
        models: at least one.
        guard: None where it could not be loaded: what it guards is then closed, or open if the settings say so.
        settings: limits and the guard's mode.
        trouble: why there is no guard.
        encoder: loads the encoder of /v1/embeddings, when it is first asked for.

    Raises:
        UsageError: no model, or two of one name.
    """
    chosen = settings or Settings()
    service = Service(
        models, Watch(guard, chosen, trouble), chosen, LazyEncoder(encoder) if encoder else None
    )
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
        Route("/beta/litellm_basic_guardrail_api", gateways.litellm, methods=post),
        Route("/portkey/webhook", gateways.portkey, methods=post),
        Route("/analyze", presidio.analyze, methods=post),
        Route("/anonymize", presidio.anonymize, methods=post),
        Route("/supportedentities", presidio.supported_entities, methods=get),
        Route("/recognizers", presidio.recognizers, methods=get),
        Route("/health", listing.health, methods=get),
        Route("/healthz", listing.health, methods=get),
        Route("/", page.chat, methods=get),
        Route("/models/{name:path}", page.model, methods=get),
        Route("/guard", page.guard, methods=get),
        Mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static"),
    ]


async def _fault(request: Request, error: Exception) -> Response:
    fault = as_fault(error)
    assert fault is not None
    if is_api(request.url.path):
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
    if is_api(path):
        return error_response(Fault(error.status_code, message, code="no_such_address", headers=headers))
    return page.trouble(request, error.status_code, message, headers)
