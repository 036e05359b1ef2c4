"""Turn a trained guard's artefact into the folder that is shipped: its files, its card, its ancestors' manifests."""

import shutil
import tempfile
from pathlib import Path

from rumpun.guard.card import card
from rumpun.records.artefacts import Manifest, verify, write_manifest

__all__ = ["release"]


def release(artefact: Path, target: Path) -> Manifest:
    """Check an artefact and write the release to `target`, which is replaced as a whole.

    The manifest keeps its id and names the card too. A guard stands on sources alone: it has no ancestors, and
    `lineage/` holds its own manifest as the step made it.

    Raises:
        InputError: the artefact is not whole.
    """
    manifest = verify(artefact)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".guard-") as place:
        folder = Path(place) / "guard"
        (folder / "lineage").mkdir(parents=True)
        for entry in manifest.files:
            shutil.copyfile(artefact / entry.path, folder / entry.path)
        shutil.copyfile(artefact / "manifest.json", folder / "lineage" / f"{manifest.id}.json")
        (folder / "CARD.md").write_text(card(manifest), encoding="utf-8")
        whole = write_manifest(folder, manifest)
        if target.exists():
            target.rename(Path(place) / "old")
        folder.rename(target)
    return whole
