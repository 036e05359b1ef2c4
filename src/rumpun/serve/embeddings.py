"""POST /v1/embeddings."""

import base64
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from rumpun.serve.bodies import EmbeddingBody, decode, texts_of
from rumpun.serve.faults import Fault, bad
from rumpun.serve.models import Place
from rumpun.serve.work import client_of, in_turn, read_body, service_of

__all__ = ["embeddings"]


async def embeddings(request: Request) -> Response:
    """Unit vectors of texts, as numbers or as base64 of little-endian float32."""
    service = service_of(request)
    settings = service.settings
    body = decode(await read_body(request, settings), EmbeddingBody)
    place = service.shelf.find(body.model)
    if "embed" not in place.about.can:
        raise Fault(400, f"{place.model.name} cannot embed", param="model", code="unsupported_model")
    form = body.encoding_format or "float"
    if form not in {"float", "base64"}:
        raise bad(f"encoding_format is {form[:40]!a}; known: float, base64", "encoding_format")
    texts = texts_of(body.input, "input", settings.inputs_max)
    turns, pool = place.turns, place.pool
    vectors, tokens = await in_turn(turns, pool, client_of(request), settings, lambda: _embed(place, texts))
    width = vectors.shape[1]
    if body.dimensions not in {None, width}:
        raise bad(
            f"dimensions is {body.dimensions}; {place.model.name} gives {width} and cannot shorten them",
            "dimensions",
        )
    data = [
        {"object": "embedding", "index": index, "embedding": _shape(vector, form)}
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    whole = {"object": "list", "data": data, "model": place.model.name, "usage": usage}
    return Response(msgspec.json.encode(whole), media_type="application/json")


def _embed(place: Place, texts: list[str]) -> tuple[Any, int]:
    counts = place.model.engine.count_tokens(texts)
    for number, count in enumerate(counts):
        if 0 < place.about.context_tokens < count:
            raise bad(
                f"input[{number}] has {count} tokens; {place.model.name} reads {place.about.context_tokens} at most",
                "input",
                "context_length_exceeded",
            )
    return place.model.engine.embed(texts), sum(counts)


def _shape(vector: Any, form: str) -> Any:
    if form == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    return vector.tolist()
