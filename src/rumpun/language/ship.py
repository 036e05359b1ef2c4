"""`python -m rumpun.language.ship FOLDER`: copy a trained identifier beside the code, with its manifest.

FOLDER is the artefact that `rumpun run recipes/lid/run.toml` prints.
"""

import shutil
import sys
from pathlib import Path

from rumpun.records.artefacts import verify

__all__ = ["ship"]


def ship(artefact: Path, target: Path = Path(__file__).parent) -> None:
    """Check an identifier's artefact and copy its two files and its manifest.

    Raises:
        InputError: the artefact is not whole.
    """
    manifest = verify(artefact)
    for entry in manifest.files:
        shutil.copyfile(artefact / entry.path, target / entry.path)
    shutil.copyfile(artefact / "manifest.json", target / "identifier-manifest.json")


if __name__ == "__main__":
    ship(Path(sys.argv[1]))
