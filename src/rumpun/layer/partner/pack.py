"""`rumpun layer return`: of a layer that was trained on private rows, a tar of what may leave.

In it: the layer's two files, a card of counts, and the redacted manifest of every stage. Nothing is copied that is not named here.
"""

import os
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from rumpun.errors import EnvironmentFault, InputError, UsageError
from rumpun.records.artefacts import MANIFEST, Manifest, read_manifest, verify, write_manifest
from rumpun.records.copies import keep_copy, read_copy
from rumpun.records.lineage import walk
from rumpun.records.private import PREFIX, is_private, redacted
from rumpun.weights.layer_file import SPEC_FILE, TENSORS_FILE, read_layer

__all__ = ["Returned", "pack"]

CARD = "CARD.md"


class Returned(msgspec.Struct, frozen=True, kw_only=True):
    """What was packed."""

    path: str
    bytes: int
    files: tuple[str, ...]
    private_sources: int
    warnings: tuple[str, ...]


def pack(layer: Path, out: Path) -> Returned:
    """Write the tar; the same layer gives the same bytes.

    Raises:
        UsageError: no private rows stand behind the layer, or its vocabulary was learnt from some.
        InputError: it is damaged, or an ancestor is missing.
        EnvironmentFault: the file cannot be written.
    """
    manifest = verify(layer)
    if manifest.kind != "layer":
        raise InputError(
            f"{layer}: a {manifest.kind}, not a layer", "name the folder that layer.train or layer.tune made"
        )
    if not is_private(manifest):
        raise UsageError(
            f"{layer}: no private rows stand behind it", "give it away with rumpun layer release"
        )
    read_layer(layer)  # every number is checked
    stages = _stages(layer)
    measured = _measured(layer, manifest)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "layer"
        folder.mkdir()
        for name in (SPEC_FILE, TENSORS_FILE):
            shutil.copyfile(layer / name, folder / name)
        for stage in (*stages, *measured.values()):
            keep_copy(redacted(stage), folder, stage.id)
        (folder / CARD).write_text(_card(manifest, layer, measured), encoding="utf-8")
        write_manifest(folder, redacted(manifest))
        size = _tar(folder, out)
        files = tuple(
            sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        )
    warnings = (
        ()
        if "repeats" in measured
        else ("nobody has measured how much of the private rows it repeats: add a step layer.repeats",)
    )
    private = sum(source.name.startswith(PREFIX) for source in manifest.sources)
    return Returned(path=str(out), bytes=size, files=files, private_sources=private, warnings=warnings)


def _stages(layer: Path) -> list[Manifest]:
    lineage = walk(layer)
    for gap in lineage.missing:
        raise InputError(
            f"{layer}: its ancestor {gap.id} is missing ({gap.problem})",
            "run the recipe that made it in the same store",
        )
    stages = []
    for node in lineage.nodes:
        place = Path(node.place)
        found = read_manifest(place) if place.is_dir() else read_copy(place)
        if found.maker.step == "layer.extend" and is_private(found):
            raise UsageError(
                f"{layer}: its vocabulary was learnt from private rows, and tokens are spelt out in a layer",
                "train it again with a vocabulary from public text",
            )
        stages.append(found)
    return stages


def _measured(layer: Path, manifest: Manifest) -> dict[str, Manifest]:
    """Kind -> the newest measurement of this layer among its neighbours."""
    found: dict[str, Manifest] = {}
    for path in layer.absolute().parent.glob(f"[!.]*/{MANIFEST}"):
        item = read_manifest(path.parent)
        newer = item.kind not in found or item.created > found[item.kind].created
        if item.maker.step in ("evaluate.bpb", "layer.repeats") and manifest.id in item.parents and newer:
            found[item.kind] = item
    return found


def _card(manifest: Manifest, layer: Path, measured: dict[str, Manifest]) -> str:
    from rumpun.layer.card_words import escape
    from rumpun.weights.layer_file import read_spec

    repeats = measured["repeats"].summary if "repeats" in measured else {}
    scores: dict[str, Any] = (
        measured["evaluation"].summary.get("languages", {}) if "evaluation" in measured else {}
    )
    return _rendered(
        {
            "base": escape(read_spec(layer).base_name),
            "private": [source for source in manifest.sources if source.name.startswith(PREFIX)],
            "languages": escape(", ".join(manifest.languages)),
            "repeats": [
                (name, repeats[key])
                for name, key in (("trained on", "train"), ("held out", "held_out"))
                if repeats.get(key, {}).get("asked")
            ],
            "scores": [(tag, {"parent": None, "from_parent": None} | row) for tag, row in scores.items()],
            "number": lambda value: "" if value is None else f"{value:.3f}",
            "interval": lambda pair: f"{pair[0]:+.3f} to {pair[1]:+.3f}" if pair else "",
        }
    )


def _rendered(context: dict[str, Any]) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True, autoescape=False,  # noqa: S701  (Markdown; words from data go through `escape`)
    )  # fmt: skip
    return environment.get_template(f"{CARD}.jinja").render(context)


def _tar(folder: Path, out: Path) -> int:
    """Names in order, no times, no owners."""
    aside = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(aside, "w", format=tarfile.USTAR_FORMAT) as tar:
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    entry = tarfile.TarInfo(f"{folder.name}/{path.relative_to(folder).as_posix()}")
                    entry.size, entry.mode = path.stat().st_size, 0o644
                    with path.open("rb") as stream:
                        tar.addfile(entry, stream)
        aside.replace(out)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise EnvironmentFault(
            f"{out}: cannot be written ({error.strerror or error})", "free space, or name another file"
        ) from error
    return out.stat().st_size
