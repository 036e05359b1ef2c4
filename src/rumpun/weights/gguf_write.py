"""A GGUF file written whole or not at all, one tensor in memory at a time."""

import contextlib
import os
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import gguf

from rumpun.errors import EnvironmentFault
from rumpun.steps import Progress
from rumpun.weights.gguf_file import ARRAY, DEFAULT_ALIGNMENT, SCALARS, STRING, Value, padded
from rumpun.weights.quantise import Bytes

__all__ = ["NewTensor", "file_size", "strings", "text", "whole_file", "write_gguf"]


@dataclass(frozen=True, slots=True)
class NewTensor:
    """A tensor to write; its bytes are made when its turn comes."""

    name: str
    type: str  # "F32", "Q8_0" …
    shape: tuple[int, ...]  # [rows, row length]
    size: int  # bytes
    make: Callable[[], Bytes]


def text(value: str) -> Value:
    """A string for metadata."""
    return Value(STRING, value)


def strings(values: Sequence[str]) -> Value:
    """An array of strings for metadata."""
    return Value(ARRAY, list(values), STRING)


@contextlib.contextmanager
def whole_file(target: Path) -> Iterator[BinaryIO]:
    """A file beside the target that takes its name when the block ends well, and is removed when it does not.

    What a killed process left beside the target is removed first.

    Raises:
        EnvironmentFault: the folder cannot be written, or the disk is full.
    """
    temporary = target.with_name(f".{target.name}.{threading.get_ident()}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _clear_leftovers(target)
        with temporary.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)
    except OSError as error:
        raise EnvironmentFault(
            f"{target}: cannot be written ({error.strerror or error})", "free space, or name another place"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _clear_leftovers(target: Path) -> None:
    for left in target.parent.glob(f".{target.name}.*.part"):
        owner = left.name.split(".")[-2]
        try:
            os.kill(int(owner), 0)
        except (ValueError, ProcessLookupError):
            left.unlink(missing_ok=True)
        except PermissionError:
            continue  # another user's process, still at work


def file_size(metadata: Mapping[str, Value], tensors: Sequence[NewTensor]) -> int:
    """Bytes of the file that `write_gguf` would write."""
    alignment = _alignment(metadata)
    head = len(_head(metadata, tensors, alignment))
    return padded(head, alignment) + sum(padded(tensor.size, alignment) for tensor in tensors)


def _alignment(metadata: Mapping[str, Value]) -> int:
    found = metadata.get("general.alignment")
    return DEFAULT_ALIGNMENT if found is None else int(found.value)


def write_gguf(
    target: Path,
    metadata: Mapping[str, Value],
    tensors: Sequence[NewTensor],
    *,
    progress: Progress,
) -> None:
    """Write version 3, little-endian; `progress(bytes done, bytes in all, tensor)` is called for each tensor.

    Raises:
        EnvironmentFault: the disk is full or the folder cannot be written; the target is untouched then.
    """
    alignment = _alignment(metadata)
    head = _head(metadata, tensors, alignment)
    total = sum(tensor.size for tensor in tensors)
    done = 0
    with whole_file(target) as stream:
        stream.write(head.ljust(padded(len(head), alignment), b"\0"))
        for tensor in tensors:
            content = tensor.make()
            if content.nbytes != tensor.size:
                raise ValueError(f"{tensor.name}: {content.nbytes} bytes made, {tensor.size} announced")
            stream.write(content.data)
            stream.write(b"\0" * (padded(tensor.size, alignment) - tensor.size))
            done += tensor.size
            progress(done, total, tensor.name)


def _head(metadata: Mapping[str, Value], tensors: Sequence[NewTensor], alignment: int) -> bytes:
    out = bytearray(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata)))
    for key, value in metadata.items():
        out += _string(key) + struct.pack("<I", value.type) + _packed(value)
    offset = 0
    for tensor in tensors:
        kind = gguf.GGMLQuantizationType[tensor.type]
        sizes = tensor.shape[::-1]
        out += _string(tensor.name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, kind, offset)
        offset += padded(tensor.size, alignment)
    return bytes(out)


def _string(value: str) -> bytes:
    encoded = value.encode("utf-8", "surrogateescape")
    return struct.pack("<Q", len(encoded)) + encoded


def _packed(value: Value) -> bytes:
    if value.type != ARRAY:
        return _item(value.type, value.value)
    head = struct.pack("<IQ", value.item_type, len(value.value))
    if value.item_type == STRING:
        return head + b"".join(_string(item) for item in value.value)
    return head + struct.pack(f"<{len(value.value)}{SCALARS[value.item_type]}", *value.value)


def _item(kind: int, value: Any) -> bytes:
    return _string(value) if kind == STRING else struct.pack(f"<{SCALARS[kind]}", value)
