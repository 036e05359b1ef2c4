"""`rumpun up`: serve one or several models with a guard in front, in the foreground."""

import contextlib
import dataclasses
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rumpun.cli.options import CONTEXTS, POINT, POLICY
from rumpun.errors import InputError, MissingPartError, UsageError, nearest

if TYPE_CHECKING:
    from rumpun.engines.load import Found
    from rumpun.guard import Guard
    from rumpun.guard.judgement import Point
    from rumpun.records.service import Service
    from rumpun.serve.encoding import Embedder
    from rumpun.serve.models import ServedModel
    from rumpun.steps import Progress

_SMALL = 1_000_000_000  # parameters; below this a model is shown as a demonstration


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8765, show_default=True, type=click.IntRange(0, 65535), help="0: any free one."
)
@click.option(
    "--base",
    "bases",
    multiple=True,
    metavar="NAME|PATH|URL",
    help="What to serve; may be given several times, the first is the default. Without it: the embedded base with"
    " the shipped layer.",
)
@click.option(
    "--layer", metavar="PATH|none", help="Layer on the first base; 'none' leaves the shipped one off."
)
@click.option(
    "--guard", "mode", type=click.Choice(["off", "warn", "block"]), default="warn", show_default=True
)
@POLICY(help="A policy's name (sg, my, …) or file, for the guard.")
@POINT(help="The guard's operating point.")
@CONTEXTS
@click.option(
    "--guard-second",
    "second",
    type=click.Path(path_type=Path),
    help="What `rumpun guard second` wrote: its model judges the texts that the guard is unsure of.",
)
@click.option(
    "--guard-fail",
    "fail",
    type=click.Choice(["closed", "open"]),
    default="closed",
    show_default=True,
    help="Where no verdict can be had: answer 503, or let texts pass unchecked and say so.",
)
@click.option(
    "--hold",
    type=click.Choice(["sentence", "clause"]),
    default="sentence",
    show_default=True,
    help="With --guard block: give a long first sentence out in parts, so that the first text comes sooner.",
)
@click.option("--mask-personal", is_flag=True, help="Mask personal data in answers.")
@click.option(
    "--context-tokens", type=click.IntRange(256), help="Tokens of prompt and answer together, at most."
)
@click.option("--slots", type=click.IntRange(1, 64), default=4, show_default=True, help="Answers at once.")
@click.option("--api-key-file", type=click.Path(path_type=Path), help="Keys that are let in, one a line.")
@click.option("--open", "is_open", is_flag=True, help="Let a network in without any key.")
@click.option("--quiet", is_flag=True, help="Print the address and nothing else.")
def up(
    bases: tuple[str, ...], layer: str | None, context_tokens: int | None, slots: int, **options: Any
) -> None:
    """Serve models on OpenAI's addresses, with a guard in front and a page to chat on.

    Ctrl-C ends it. RUMPUN_API_KEY may hold a key instead of a file.
    """
    from rumpun.serve.run import check_port, serve
    from rumpun.serve.settings import Settings, is_loopback

    host, port = options["host"], options["port"]
    keys = _keys(options["api_key_file"])
    if not is_loopback(host) and not keys and not options["is_open"]:
        raise UsageError(
            f"--host {host} lets other machines in, and no key is set",
            "add --api-key-file FILE (one key a line), or --open to let everybody in",
        )
    settings = Settings(
        host=host, port=port, guard=options["mode"], guard_fail=options["fail"], contexts=options["contexts"],
        hold=options["hold"], mask_personal=options["mask_personal"], api_keys=keys,
    )  # fmt: skip
    check_port(host, port)
    _log_to_stderr(quiet=options["quiet"])
    talk = _silent if options["quiet"] else _say
    if options["is_open"] and not keys and not is_loopback(host):
        talk(f"warning: anyone who reaches {host} can use this service")
    asked = _asked_by_layer(bases, layer)
    if asked.policy and _left_open("policy"):
        talk(f"the layer asks for policy {asked.policy}; --policy NAME takes another")
        options["policy"] = asked.policy
    if asked.contexts and _left_open("contexts"):
        options["contexts"] = asked.contexts
        settings = dataclasses.replace(settings, contexts=asked.contexts)
    guard, trouble = _guard(options["policy"], options["point"], options["contexts"])
    with contextlib.ExitStack() as beside, contextlib.ExitStack() as opened:
        if guard and options["second"]:
            from rumpun.guard.second import opened_second

            second = beside.enter_context(opened_second(options["second"], guard.policy))
            guard = dataclasses.replace(guard, second=second)
        models = _open(bases or ("default",), layer, context_tokens, slots, opened, quiet=options["quiet"])
        if asked.caution:
            models[0] = dataclasses.replace(models[0], caution=f"{asked.caution} {models[0].caution}")
        named = f"{guard.name}, policy {guard.policy.name}, point {guard.point}" if guard else "none"
        talk(f"guard {named}, mode {settings.guard}, fails {settings.guard_fail}")
        opened.pop_all()  # from here on the service closes them
        serve(models, guard, settings, announce=click.echo, trouble=trouble, encoder=_encoder(guard))


def _open(
    bases: Sequence[str],
    layer: str | None,
    context: int | None,
    slots: int,
    opened: contextlib.ExitStack,
    *,
    quiet: bool,
) -> "list[ServedModel]":
    from rumpun.cli.show import progress_bars
    from rumpun.engines.load import open_engine, resolve
    from rumpun.records.service import read_service
    from rumpun.serve.models import CAUTION, ServedModel
    from rumpun.steps import quiet as no_progress

    models: list[ServedModel] = []
    for number, reference in enumerate(bases):
        with progress_bars() as start:
            progress: Progress = no_progress if quiet else start("model")
            found = resolve(reference, layer if number == 0 else None, fetch=True, progress=progress)
        if not quiet:
            _say(f"loading {found.name} from {found.place}")
        engine = open_engine(found, context_tokens=context, slots=slots)
        opened.callback(engine.close)
        models.append(
            ServedModel(
                engine=engine,
                name=found.name,
                slots=slots,
                base_name=found.base_name or "",
                layer_name=found.layer_name or "",
                card=found.card,
                lineage=found.lineage,
                caution=_caution(found) or CAUTION,
                system=read_service(found.layer).system if found.layer else {},
            )
        )
    return models


def _asked_by_layer(bases: tuple[str, ...], layer: str | None) -> "Service":
    """What the layer's makers ask of whoever serves it, where the first model is a layer with such a file."""
    from rumpun.records.service import Service, read_service

    for place in (layer, bases[0] if bases else None):
        if place and place != "none" and Path(place).expanduser().is_dir():
            return read_service(Path(place).expanduser())
    return Service()


def _left_open(option: str) -> bool:
    """Whether nobody gave this option."""
    source = click.get_current_context().get_parameter_source(option)
    return source is click.core.ParameterSource.DEFAULT


def _caution(found: "Found") -> str:
    """The page's sentence on what a small model cannot do; empty for others, which keep the general one."""
    if found.kind != "gguf":
        return ""
    from rumpun.weights.gguf_file import describe

    parameters = describe(found.path).parameters
    if not 0 < parameters < _SMALL:
        return ""
    return (
        f"With {parameters / 1e6:.0f} million parameters it is a demonstration, not a helper: it makes things up,"
        " loses the thread after a few sentences, and cannot be relied on for facts, sums, health, law or money."
    )


def _guard(policy: str, point: "Point", contexts: tuple[str, ...]) -> "tuple[Guard | None, str]":
    """The shipped guard, or None and why there is none; a wrong policy or context stops the start."""
    from rumpun.guard import Guard, Policy
    from rumpun.guard.policy.vocabulary import vocabulary

    chosen = Policy.load(policy)
    known = list(vocabulary().contexts)
    for context in contexts:
        if context not in known:
            raise UsageError(f"--context {context}: no such context", nearest(context, known))
    try:
        return Guard.load(policy=chosen, point=point), ""
    except (InputError, MissingPartError) as error:
        return None, f"the guard cannot be loaded: {error.message}"


def _encoder(guard: "Guard | None") -> "Callable[[], Embedder]":
    """How /v1/embeddings comes by the encoder: the guard's own where there is one, since it is the same."""
    from rumpun.encoder import Encoder

    loaded = guard.encoder if guard else None
    return lambda: loaded if isinstance(loaded, Encoder) else Encoder.load()


def _keys(path: Path | None) -> tuple[str, ...]:
    if path is None:
        named = os.environ.get("RUMPUN_API_KEY", "").strip()
        return (named,) if named else ()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: the keys cannot be read", "name a text file with one key a line"
        ) from error
    keys = tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))
    if not keys:
        raise InputError(f"{path}: no key in it", "write one key a line")
    return keys


def _log_to_stderr(*, quiet: bool) -> None:
    log = logging.getLogger("rumpun.serve")
    log.setLevel(logging.ERROR if quiet else logging.INFO)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    log.addHandler(handler)
    log.propagate = False


def _say(line: str) -> None:
    click.echo(line, err=True)


def _silent(line: str) -> None:
    del line
