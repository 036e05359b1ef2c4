"""Where the guard's sources come from: the inventories that lie beside the data."""

import tomllib
from pathlib import Path
from typing import Any

__all__ = ["origins"]


def origins(folder: Path) -> dict[str, dict[str, Any]]:
    """Source -> its table in the inventories; empty where there are none."""
    found: dict[str, dict[str, Any]] = {}
    for name in ("inventory.toml", "inventory-2.toml", "inventory-eval.toml", "inventory-seed.toml"):
        path = folder / name
        if path.is_file():
            for table in tomllib.loads(path.read_text(encoding="utf-8")).get("source", []):
                found[str(table["name"])] = table
    return found
