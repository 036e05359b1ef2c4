"""A folder's safetensors, read one tensor at a time into memory of our own, and written shard by shard.

Format: https://huggingface.co/docs/safetensors. The library's numpy reader knows no bfloat16 and maps whole files, so that
what is held could not be told; here a tensor's bytes are read when it is asked for, and nothing else.
"""

import json
import math
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from rumpun.errors import InputError
from rumpun.steps import Progress
from rumpun.weights.gguf_write import whole_file
from rumpun.weights.quantise import Float

__all__ = ["NUMBERS", "Entry", "NewShards", "Shards", "narrowed"]

NUMBERS: Final[Mapping[str, int]] = {"F32": 4, "F16": 2, "BF16": 2, "F64": 8}  # type -> bytes
_INDEX: Final = "model.safetensors.index.json"
_MEND: Final = "fetch or make the model again"
_HEAD_MAX: Final = 100_000_000  # bytes; the library's own limit


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a tensor lies."""

    path: Path
    type: str  # "F32", "BF16" …
    shape: tuple[int, ...]
    start: int  # byte in the file
    size: int  # bytes


class Shards:
    """The tensors of a folder: names and shapes at once, numbers when asked for.

    Raises:
        InputError: no weights there; a file is missing, truncated or damaged; a tensor stands twice or is not where the
            index says.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries: dict[str, Entry] = {}
        index = folder / _INDEX
        placed = _weight_map(index) if index.is_file() else {}
        paths = [folder / name for name in sorted(set(placed.values()))] or sorted(
            folder.glob("*.safetensors")
        )
        if not paths:
            raise InputError(f"{folder}: no .safetensors there", "name a folder of transformers weights")
        for path in paths:
            for name, entry in _entries(path).items():
                if name in self.entries:
                    raise InputError(
                        f"{path}: tensor {name} stands in {self.entries[name].path.name} too", _MEND
                    )
                self.entries[name] = entry
        for name, file in placed.items():
            if name not in self.entries or self.entries[name].path.name != file:
                raise InputError(f"{index}: tensor {name} is not in {file}", _MEND)

    def tensor(self, name: str) -> Float:
        """A tensor as float32, an array of its own.

        Raises:
            InputError: its numbers are not finite, or cannot be read.
        """
        entry = self.entries[name]
        try:
            with entry.path.open("rb") as stream:
                stream.seek(entry.start)
                raw = np.fromfile(stream, np.uint8, entry.size)
        except OSError as error:
            raise InputError(f"{entry.path}: cannot be read ({error.strerror})", _MEND) from error
        if raw.size != entry.size:
            raise InputError(f"{entry.path}: truncated inside tensor {name}", _MEND)
        found = _widened(raw, entry.type).reshape(entry.shape)
        if not math.isfinite(float(np.sum(found, dtype=np.float64))):
            count = int(found.size - np.isfinite(found).sum())
            raise InputError(
                f"{entry.path}: {name} has {count} of {found.size} values that are not finite (NaN or infinite)",
                "leave this model out, or fetch it again",
            )
        return found


def _widened(raw: "np.ndarray[Any, np.dtype[np.uint8]]", kind: str) -> Float:
    if kind == "F32":
        return raw.view(np.float32)
    if kind == "BF16":
        wide = raw.view(np.uint16).astype(np.uint32)
        wide <<= np.uint32(16)
        return wide.view(np.float32)
    return raw.view(np.float16 if kind == "F16" else np.float64).astype(np.float32)


def narrowed(tensor: Float, kind: str, where: str) -> "np.ndarray[Any, np.dtype[Any]]":
    """float32 -> the numbers of a file's type, rounded to the nearest, ties to even.

    Raises:
        InputError: a number is too large for float16.
    """
    if kind == "F32":
        return np.ascontiguousarray(tensor, np.float32)
    if kind == "BF16":
        bits = np.ascontiguousarray(tensor, np.float32).view(np.uint32)
        return (
            (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
        ).astype(np.uint16)
    with np.errstate(over="ignore"):
        found = tensor.astype(np.float16)
    if not np.isfinite(found).all():
        raise InputError(
            f"{where}: numbers too large for float16 (largest {np.abs(tensor).max():.3g})",
            "ask for bfloat16 or float32",
        )
    return found


def _weight_map(index: Path) -> dict[str, str]:
    try:
        table = json.loads(index.read_bytes())
        placed = table["weight_map"]
        return {str(name): str(file) for name, file in placed.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{index}: not an index of safetensors ({error})", _MEND) from error


def _entries(path: Path) -> dict[str, Entry]:
    try:
        whole = path.stat().st_size
        with path.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8).ljust(8, b"\0"))
            if whole < 8 or length > min(whole - 8, _HEAD_MAX):
                raise InputError(f"{path}: truncated or no safetensors ({whole:,} bytes)", _MEND)
            table = json.loads(stream.read(length))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})", _MEND) from error
    except ValueError as error:
        raise InputError(f"{path}: no safetensors (its head is no JSON)", _MEND) from error
    found = {}
    for name, told in table.items():
        if name == "__metadata__":
            continue
        try:
            kind, shape, (start, end) = (
                str(told["dtype"]),
                tuple(map(int, told["shape"])),
                told["data_offsets"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}: tensor {name} is not described whole", _MEND) from error
        if kind not in NUMBERS:
            raise InputError(
                f"{path}: tensor {name} is {kind}, expected one of {', '.join(NUMBERS)}",
                "use the model's own weights, not quantised ones",
            )
        if end - start != math.prod(shape) * NUMBERS[kind] or start < 0:
            raise InputError(
                f"{path}: tensor {name} has {end - start:,} bytes, its shape is {list(shape)}", _MEND
            )
        if 8 + length + end > whole:
            raise InputError(
                f"{path}: truncated: tensor {name} ends at byte {8 + length + end:,}, the file at {whole:,}",
                _MEND,
            )
        found[name] = Entry(path, kind, shape, 8 + length + start, end - start)
    return found


class NewShards:
    """Tensors to write, each file at most so many bytes; made and written one at a time."""

    def __init__(self, tensors: Iterable[tuple[str, tuple[int, ...], str]], shard_bytes: int) -> None:
        self.shards: list[list[tuple[str, tuple[int, ...], str]]] = [[]]
        self.total = 0
        held = 0
        for name, shape, kind in tensors:
            size = math.prod(shape) * NUMBERS[kind]
            if self.shards[-1] and held + size > shard_bytes:
                self.shards.append([])
                held = 0
            self.shards[-1].append((name, shape, kind))
            held += size
            self.total += size

    def names(self) -> Sequence[str]:
        """The files' names in order."""
        count = len(self.shards)
        if count == 1:
            return ["model.safetensors"]
        return [f"model-{place:05}-of-{count:05}.safetensors" for place in range(1, count + 1)]

    def write(self, folder: Path, make: Callable[[str], Float], progress: Progress) -> None:
        """Write every file, and an index where there are several; `make(name)` gives a tensor as float32.

        Raises:
            EnvironmentFault: the folder cannot be written, or the disk is full.
        """
        done = 0
        placed: dict[str, str] = {}
        for file, shard in zip(self.names(), self.shards, strict=True):
            header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
            end = 0
            for name, shape, kind in shard:
                start, end = end, end + math.prod(shape) * NUMBERS[kind]
                header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [start, end]}
                placed[name] = file
            head = json.dumps(header).encode()
            head += b" " * (-len(head) % 8)
            with whole_file(folder / file) as stream:
                stream.write(struct.pack("<Q", len(head)) + head)
                for name, shape, kind in shard:
                    tensor = make(name)
                    if tensor.shape != shape:
                        raise ValueError(f"{name}: {tensor.shape} made, {shape} announced")
                    stream.write(narrowed(tensor, kind, name).data)
                    done += math.prod(shape) * NUMBERS[kind]
                    progress(done, self.total, name)
        if len(self.shards) > 1:
            table = {"metadata": {"total_size": self.total}, "weight_map": placed}
            with whole_file(folder / _INDEX) as stream:
                stream.write(json.dumps(table, indent=1).encode() + b"\n")
