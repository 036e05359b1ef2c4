"""Turn an artefact into a folder that is given away: its files, its card, its ancestors' manifests."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from rumpun.records.artefacts import Manifest, verify, write_manifest
from rumpun.records.copies import keep_copy
from rumpun.records.lineage import ancestors

__all__ = ["CARD", "release"]

CARD = "CARD.md"


def release(artefact: Path, target: Path, card: Callable[[Manifest], str]) -> Manifest:
    """Check an artefact and write the release to `target`, which is replaced as a whole.

    The manifest keeps its id and names the card too; `lineage/` holds the manifests of all that it was made from, its own
    as the step made it among them.

    Args:
        artefact: the artefact's folder in its store.
        target: the folder to write.
        card: the card's text, in Markdown.

    Raises:
        InputError: the artefact is not whole, or an ancestor is missing.
    """
    manifest = verify(artefact)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as place:
        folder = Path(place) / "new"
        folder.mkdir()
        for entry in manifest.files:
            shutil.copyfile(artefact / entry.path, folder / entry.path)
        for ancestor, path in ancestors([artefact]):
            keep_copy(path, folder, ancestor.id)
        (folder / CARD).write_text(card(manifest), encoding="utf-8")
        whole = write_manifest(folder, manifest)
        if target.exists():
            target.rename(Path(place) / "old")
        folder.rename(target)
    return whole
