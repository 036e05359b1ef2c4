"""A transformers folder's weights read one tensor at a time: one file or several with an index, any of three precisions.

Format: https://huggingface.co/docs/safetensors (a header of names, types, shapes and places, then the numbers).
"""

import hashlib
import json
import math
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from rumpun.errors import InputError
from rumpun.records.artefacts import sha256_file
from rumpun.weights.quantise import Bytes, Float

__all__ = ["INDEX", "Shards", "Stored", "weights_sha256"]

INDEX: Final = "model.safetensors.index.json"
_SIZES: Final = {"F32": 4, "F16": 2, "BF16": 2}  # also what GGUF calls them
_MEND: Final = "fetch or make the folder again"
_FOLDER: Final = "name a folder of transformers weights, or a GGUF file"


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a tensor lies."""

    path: Path
    type: str  # "F32", "F16" or "BF16"
    shape: tuple[int, ...]
    offset: int  # bytes from the start of the file
    size: int  # bytes


class Shards:
    """The tensors of a folder: `entries` by transformers' names; pages are mapped, not read.

    Raises:
        InputError: no weights there, a shard that the index names is missing, or one is truncated or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._mapped: dict[Path, mmap.mmap] = {}
        self.entries: dict[str, Stored] = {}
        index = _index(folder)
        paths = sorted({folder / Path(name).name for name in index.values()}) or sorted(
            folder.glob("*.safetensors")
        )
        if not paths:
            raise InputError(f"{folder}: no .safetensors there", _FOLDER)
        for path in paths:
            for name, entry in self._header(path).items():
                if name in self.entries:
                    raise InputError(
                        f"{path}: tensor {name} stands in {self.entries[name].path.name} too", _MEND
                    )
                self.entries[name] = entry
        for name, file in index.items():
            if name not in self.entries or self.entries[name].path.name != file:
                raise InputError(f"{folder / file}: no tensor {name}, which {INDEX} places there", _MEND)

    def _header(self, path: Path) -> dict[str, Stored]:
        try:
            with path.open("rb") as stream:
                mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except FileNotFoundError as error:
            raise InputError(f"{path}: missing, and {INDEX} names it", "fetch the missing shard") from error
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: cannot be read ({error})", _MEND) from error
        self._mapped[path] = mapped
        try:
            size = struct.unpack_from("<Q", mapped)[0]
            header: dict[str, Any] = json.loads(mapped[8 : 8 + size])  # of a header cut short, json says so
            header.pop("__metadata__", None)
            return {name: _entry(path, row, 8 + size, len(mapped)) for name, row in header.items()}
        except (struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{path}: not whole safetensors, {len(mapped):,} bytes ({error})", _MEND
            ) from error

    def raw(self, name: str) -> Bytes:
        """A tensor's bytes as they are stored, flat."""
        entry = self.entries[name]
        return np.frombuffer(self._mapped[entry.path], np.uint8, entry.size, entry.offset)

    def tensor(self, name: str) -> Float:
        """A tensor in float32, which holds every number of the three precisions."""
        entry, raw = self.entries[name], self.raw(name)
        if entry.type == "BF16":
            return (raw.view(np.uint16).astype(np.uint32) << 16).view(np.float32).reshape(entry.shape)
        stored = raw.view(np.float32 if entry.type == "F32" else np.float16)
        return stored.astype(np.float32, copy=False).reshape(entry.shape)


def weights_sha256(folder: Path) -> str:
    """The sha256 of a folder's one weights file, or of the hashes of several in order of name.

    Raises:
        InputError: there is none.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise InputError(f"{folder}: no .safetensors there", _FOLDER)
    if len(files) == 1:
        return sha256_file(files[0])
    return hashlib.sha256("".join(sha256_file(path) for path in files).encode()).hexdigest()


def _index(folder: Path) -> dict[str, str]:
    path = folder / INDEX
    if not path.is_file():
        return {}
    try:
        table = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
        return {str(name): str(file) for name, file in table.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not an index of shards ({error!r})", _MEND) from error


def _entry(path: Path, row: dict[str, Any], start: int, end: int) -> Stored:
    kind, shape = row["dtype"], tuple(map(int, row["shape"]))
    first, last = row["data_offsets"]
    if kind not in _SIZES:
        raise ValueError(f"numbers of type {kind}, expected one of {', '.join(_SIZES)}")
    if last - first != _SIZES[kind] * math.prod(shape) or start + last > end:
        raise ValueError(f"numbers from byte {start + first:,} to {start + last:,} of shape {list(shape)}")
    return Stored(path, kind, shape, start + first, last - first)
