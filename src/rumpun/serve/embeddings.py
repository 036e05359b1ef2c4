"""POST /v1/embeddings: the encoder's vectors, or those of a served model under its own name."""

import base64
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from rumpun.serve.bodies import EmbeddingBody, decode, texts_of
from rumpun.serve.encoding import ENCODER, LazyEncoder, meant
from rumpun.serve.faults import Fault, bad
from rumpun.serve.models import Place
from rumpun.serve.work import client_of, in_turn, read_body, service_of

__all__ = ["embeddings"]


@dataclass(frozen=True, slots=True)
class _Vectors:
    """Vectors [texts, width] and what they cost."""

    model: str
    rows: Any
    tokens: int  # that were read
    cut: list[dict[str, int]] = field(default_factory=list)  # texts that were read only in part


async def embeddings(request: Request) -> Response:
    """Unit vectors of texts, as numbers or as base64 of little-endian float32."""
    service = service_of(request)
    settings, client = service.settings, client_of(request)
    body = decode(await read_body(request, settings), EmbeddingBody)
    form = body.encoding_format or "float"
    if form not in {"float", "base64"}:
        raise bad(f"encoding_format is {form[:40]!a}; known: float, base64", "encoding_format")
    encoder = service.encoder
    if encoder is not None and body.model not in service.shelf.places and meant(body.model):
        texts = texts_of(body.input, "input", settings.inputs_max)
        found = await in_turn(
            service.embed_turns, service.embed_pool, client, settings,
            lambda: _encoded(encoder, texts, body.dimensions),
        )  # fmt: skip
    else:
        place = service.shelf.find(body.model)
        if "embed" not in place.about.can:
            raise Fault(400, f"{place.model.name} cannot embed", param="model", code="unsupported_model")
        texts = texts_of(body.input, "input", settings.inputs_max)
        found = await in_turn(
            place.turns, place.pool, client, settings, lambda: _of_model(place, texts, body.dimensions)
        )
    data = [
        {"object": "embedding", "index": index, "embedding": _shape(vector, form)}
        for index, vector in enumerate(found.rows)
    ]
    usage = {"prompt_tokens": found.tokens, "total_tokens": found.tokens}
    whole = {"object": "list", "data": data, "model": found.model, "usage": usage}
    return Response(
        msgspec.json.encode(whole | {"rumpun": {"truncated": found.cut}}), media_type="application/json"
    )


def _encoded(encoder: LazyEncoder, texts: list[str], dimensions: int | None) -> _Vectors:
    import numpy as np

    loaded = encoder.get()
    width, longest = loaded.spec.width, loaded.spec.longest_tokens
    if dimensions is not None and not 1 <= dimensions <= width:
        raise bad(f"dimensions is {dimensions}; {ENCODER} gives 1 to {width}", "dimensions")
    counts = loaded.tokens(texts)
    rows = loaded.embed(texts)
    if dimensions is not None and dimensions < width:
        rows = rows[:, :dimensions]
        length = np.linalg.norm(rows, axis=1, keepdims=True)
        rows = np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
    cut = [
        {"index": index, "tokens": count, "read": longest}
        for index, count in enumerate(counts)
        if count > longest
    ]
    return _Vectors(ENCODER, rows, sum(min(count, longest) for count in counts), cut)


def _of_model(place: Place, texts: list[str], dimensions: int | None) -> _Vectors:
    name, context = place.model.name, place.about.context_tokens
    counts = place.model.engine.count_tokens(texts)
    for number, count in enumerate(counts):
        if 0 < context < count:
            raise bad(
                f"input[{number}] has {count} tokens; {name} reads {context} at most",
                "input",
                "context_length_exceeded",
            )
    rows = place.model.engine.embed(texts)
    width = rows.shape[1]
    if dimensions not in {None, width}:
        raise bad(
            f"dimensions is {dimensions}; {name} gives {width} and cannot shorten them",
            "dimensions",
        )
    return _Vectors(name, rows, sum(counts))


def _shape(vector: Any, form: str) -> Any:
    if form == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    return vector.tolist()
