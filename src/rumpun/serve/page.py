"""The pages: `/` to chat on, `/models/{name}` and `/guard` with cards, lineage and terms. Server-rendered, no build step."""

import functools
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from rumpun import __version__
from rumpun.serve.faults import Fault
from rumpun.serve.lineage_view import lineage_view
from rumpun.serve.models import Place
from rumpun.serve.work import Service, service_of

__all__ = ["chat", "guard", "model", "trouble"]

_FOLDER = Path(__file__).parent
_MODES = {
    "off": "The guard is off: nothing is checked.",
    "warn": "The guard warns: prompts and answers are checked and marked, nothing is held back.",
    "block": "The guard blocks: a flagged prompt is not answered, and an answer is shown sentence by sentence after its check.",
}
_WITHOUT = {
    "closed": "The guard could not be loaded: nothing is answered until it is mended.",
    "open": "The guard could not be loaded: nothing is checked.",
}


@functools.cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@functools.cache
def _languages() -> dict[str, dict[str, str]]:
    from rumpun.language.tables import languages

    return {tag: {"own": known.own, "english": known.english} for tag, known in languages().items()}


@functools.cache
def _starters() -> list[dict[str, str]]:
    table = tomllib.loads((_FOLDER / "starters.toml").read_text())
    return [
        {"tag": tag, "own": _languages().get(tag, {}).get("own", tag), "text": text}
        for tag, text in table["starters"].items()
    ]


async def chat(request: Request) -> Response:
    """The page to chat on."""
    service = service_of(request)
    places = [place for place in service.shelf.places.values() if "chat" in place.about.can]
    models = [_model_facts(place) for place in places]
    about = {
        "models": {facts["name"]: facts for facts in models},
        "mode": service.settings.guard,
        "languages": _languages(),
        "tokens": service.settings.tokens_default,
    }
    return _page("chat.html", models=models, about=about, starters=_starters(), **_guard_facts(service))


async def model(request: Request) -> Response:
    """One model: what it is, its card, where it comes from and what that obliges."""
    service = service_of(request)
    place = service.shelf.find(request.path_params["name"])
    served, about = place.model, place.about
    return _page(
        "model.html",
        model=_model_facts(place),
        about=about,
        can=sorted(about.can),
        card=_card(served.card),
        lineage=lineage_view(served.lineage),
    )


async def guard(request: Request) -> Response:
    """The guard: its card."""
    service = service_of(request)
    loaded = service.watch.guard
    if loaded is None:
        raise Fault(404, f"no guard is loaded: {service.watch.trouble}")
    return _page(
        "guard.html",
        card=_card(loaded.card),
        policy=loaded.policy.name,
        point=loaded.point,
        **_guard_facts(service),
    )


def trouble(
    request: Request, status: int, message: str, headers: Mapping[str, str] | None = None
) -> Response:
    """A page that says in words what is wrong."""
    del request
    return _page("trouble.html", status, headers, status=status, message=message)


def _page(
    template: str, status_code: int = 200, headers: Mapping[str, str] | None = None, /, **values: Any
) -> HTMLResponse:
    text = _templates().get_template(template).render(version=__version__, **values)
    return HTMLResponse(text, status_code, {"cache-control": "no-cache", **(headers or {})})


def _model_facts(place: Place) -> dict[str, str]:
    served = place.model
    return {
        "name": served.name,
        "base": served.base_name,
        "layer": served.layer_name,
        "caution": served.caution,
    }


def _guard_facts(service: Service) -> dict[str, Any]:
    mode, watch = service.settings.guard, service.watch
    says = _MODES[mode]
    if watch.guard is None and mode != "off":
        says = _WITHOUT[service.settings.guard_fail]
    return {"guard_name": watch.guard.name if watch.guard else None, "guard_mode": mode, "guard_says": says}


@functools.cache
def _card(path: Path | None) -> str | None:
    """A card as HTML: raw HTML in it is shown as text, pictures are left out, tables align by class."""
    if path is None or not path.is_file():
        return None
    from markdown_it import MarkdownIt

    text = path.read_text(encoding="utf-8", errors="replace")
    if text.startswith("---\n"):  # the metadata block of a hub's card
        text = text.partition("\n---\n")[2] or text
    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    tokens = parser.parse(text)
    for token in tokens:
        style = str(token.attrs.pop("style", ""))
        if style:
            token.attrs["class"] = style.replace("text-align:", "to-")
        if token.type in {"heading_open", "heading_close"}:  # the page has its own first two
            token.tag = f"h{min(6, int(token.tag[1]) + 2)}"
    return str(parser.renderer.render(tokens, parser.options, {}))
