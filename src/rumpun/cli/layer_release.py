"""`rumpun layer release | keygen`: a layer to give away, and the key that signs it."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rumpun.layer.publish import HubPlace, Published, Sending
    from rumpun.layer.release_folder import Released, Settings
    from rumpun.records.artefacts import Manifest
    from rumpun.weights.kinds import Quantisation

__all__ = ["keygen", "release", "verified"]

FILE = click.Path(path_type=Path)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.command()
@click.argument("path", metavar="DIR", type=FILE)
@click.option("--to", required=True, metavar="FOLDER|hub:owner/name[@branch]", help="Where it goes.")
@click.option(
    "--forms", default="Q8_0,Q4_0", show_default=True, help="GGUF files, with commas between; empty for none."
)
@click.option("--with-merged", is_flag=True, help="Base and layer as a transformers folder too (float32).")
@click.option("--key", type=FILE, help="The private key; by default this user's own, made at its first use.")
@click.option("--name", default="", help="By default the layer's own.")
@click.option("--base", default="", help="The base's GGUF; by default the one that the layer names.")
@click.option("--public", is_flag=True, help="On a hub: for everyone to see; needs --yes.")
@click.option("--yes", is_flag=True, help="Yes, for everyone to see.")
@_JSON
def release(
    path: Path,
    to: str,
    *,
    forms: str,
    with_merged: bool,
    key: Path | None,
    name: str,
    base: str,
    public: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Make of the layer in DIR a folder to give away: signed, with cards, licences, lineage and checksums.

    With --to hub:owner/name the folder goes to a hub, in one commit; a finished release in DIR goes there as it is. The
    token is read from HF_TOKEN.
    """
    from rumpun.cli.show import put_json
    from rumpun.errors import UsageError
    from rumpun.layer.publish import hub_place
    from rumpun.layer.release_folder import Settings, read_forms

    place = hub_place(to)
    if public and place is None:
        raise UsageError(
            "--public, and --to names a folder", "leave --public out, or write --to hub:owner/name"
        )
    if public and not yes:
        raise UsageError("--public without --yes: everyone could see it", "add --yes, or leave --public out")
    settings = Settings(name=name, forms=read_forms(forms), with_merged=with_merged)
    if place is None:
        made = _made(path, Path(to).expanduser(), settings, base, key)
        put_json(made) if as_json else _show(made)
        return
    sent = _to_hub(path, place, settings, base, key, public=public)
    put_json(sent) if as_json else click.echo(f"{sent.url}  {sent.files} files, {sent.bytes:,} bytes")


def _made(path: Path, target: Path, settings: "Settings", base: str, key: Path | None) -> "Released":
    from rumpun.cli.show import progress_bars
    from rumpun.edge.apply import base_named
    from rumpun.edge.export import ExportParams, write_fitting
    from rumpun.layer.release_folder import build_release
    from rumpun.layer.signing import open_key

    with progress_bars() as progress:
        found = base_named(path, base, progress=progress("base"))

        def put_together(file: Path, form: "Quantisation", about: "Manifest") -> None:
            params, said = ExportParams(quantisation=form), _said(about, form)
            write_fitting(found, path, file, params, metadata=said, progress=progress(form))

        return build_release(
            path,
            target,
            settings,
            base=found,
            key=open_key(key),
            put_together=put_together,
            progress=progress("releasing"),
        )


def _said(about: "Manifest", form: str) -> "dict[str, str | list[str]]":
    """What a form says of itself, so that its lineage can be walked wherever the file lies."""
    from rumpun.edge.export import layer_metadata
    from rumpun.records.artefacts import artefact_id

    own = artefact_id("gguf", "layer.release", 1, {"quantisation": form}, [about.id])
    said: dict[str, str | list[str]] = {
        "general.name": about.name,
        "rumpun.id": own,
        "rumpun.parents": [about.id],
    }
    return said | layer_metadata(about)


def _to_hub(
    path: Path, place: "HubPlace", settings: "Settings", base: str, key: Path | None, *, public: bool
) -> "Published":
    from rumpun.layer.publish import publish, token_for
    from rumpun.layer.release_verify import is_release
    from rumpun.records.places import cache_folder

    if is_release(path):
        return publish(path, place, public=public, tell=_tell)
    token_for(place)  # before the work of a release
    cache_folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_folder(), prefix="release-") as folder:
        target = Path(folder) / "release"
        _made(path, target, settings, base, key)
        return publish(target, place, public=public, tell=_tell)


def _tell(sending: "Sending") -> None:
    seen = "for everyone to see" if sending.public else "private"
    made = "a new repository" if sending.new else "the repository"
    click.echo(
        f"sending {sending.files} files, {sending.bytes:,} bytes, to {made}"
        f" {sending.place.repository}@{sending.place.revision} at {sending.endpoint} ({seen})",
        err=True,
    )


def _show(made: "Released") -> None:
    rows: dict[str, Any] = {
        "release": made.path,
        "files": f"{made.files}, {made.bytes:,} bytes",
        "forms": ", ".join(made.forms) or "none",
        "licences": ", ".join(made.licences),
        "obligations": ", ".join(made.obligations) or "none",
        "lineage": f"{made.stages} stages, {made.sources} sources",
        "signature": made.signature,
    }
    for name, value in rows.items():
        click.echo(f"{name:18} {value}")


@click.command()
@click.option("--out", type=FILE, help="The file to write; by default this user's own key.")
@_JSON
def keygen(out: Path | None, *, as_json: bool) -> None:
    """Make a key for releases (Ed25519): the private half in a file of its own, the public half beside it as .pub."""
    from rumpun.cli.show import put_json
    from rumpun.layer.signing import default_key, make_key

    path = out or default_key()
    key = make_key(path)
    public = path.with_suffix(".pub")
    if as_json:
        put_json({"key": str(path), "public": str(public), "id": key.id})
        return
    click.echo(f"{'key':18} {path}\n{'public':18} {public}\n{'id':18} {key.id}")


def verified(path: Path, key: Path | None) -> dict[str, Any]:
    """What `inspect --verify` adds: how much was checked, and whose signature holds."""
    from rumpun.layer.release_verify import verify_release

    found = verify_release(path, key)
    return {
        "signature": found.signature,
        "signature_key": found.key,
        "verified_files": found.files,
        "verified_stages": found.stages,
        "verified_sources": found.sources,
    }
