"""Bases whose parts do not belong together."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

TABLE = "model.embed_tokens.weight"


def change(path: Path, **given: Any) -> None:
    table = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(table | given), encoding="utf-8")


def with_rows(folder: Path, base_folder: Path, rows: int, told: int) -> Path:
    """The base of 268 tokens with another number of rows; `told` is what config.json says."""
    shutil.copytree(base_folder, folder)
    weights = load_file(folder / "model.safetensors")
    more = np.zeros((max(0, rows - len(weights[TABLE])), weights[TABLE].shape[1]), dtype=np.float32)
    weights[TABLE] = np.concatenate([weights[TABLE][:rows], more])
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    change(folder / "config.json", vocab_size=told)
    return folder
