"""A GGUF file read strictly: metadata with its types kept, tensors by name, every byte accounted for.

The format is https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3, little-endian). The package
`gguf` supplies the block formats; its reader is not used, because it takes a truncated file for a whole one and needs
a second for a vocabulary of 49,152. Shapes are numpy's: [rows, row length], the reverse of GGUF's.
"""

import math
import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import gguf
import msgspec
import numpy as np

from rumpun.errors import InputError
from rumpun.weights.quantise import Bytes, Float, dequantise

__all__ = [
    "MADE_FROM",
    "Gguf",
    "GgufAbout",
    "TensorEntry",
    "Value",
    "control_tokens",
    "describe",
    "read_gguf",
]

STRING: Final = 8
ARRAY: Final = 9
SCALARS: Final[Mapping[int, str]] = {
    0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d",
}  # fmt: skip
DEFAULT_ALIGNMENT: Final = 32
MADE_FROM: Final = (
    "rumpun.made_from_sha256"  # of the transformers folder's weights, where it was made from one
)
_MEND = "fetch or make the file again"


@dataclass(frozen=True, slots=True)
class Value:
    """One metadata value with the type that the file gives it."""

    type: int  # GGUF's number: 4 uint32, 6 float32, 8 string, 9 array …
    value: Any  # int, float, bool, str, or a list of one of them
    item_type: int = -1  # of an array


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """Where a tensor lies in its file."""

    name: str
    type: str  # "F32", "Q8_0" … as the package gguf names them
    shape: tuple[int, ...]  # [rows, row length]
    offset: int  # bytes from the start of the file
    size: int  # bytes


class GgufAbout(msgspec.Struct, frozen=True, kw_only=True):
    """What a GGUF file says of itself."""

    architecture: str
    name: str
    context_tokens: int
    vocabulary: int  # tokens
    parameters: int
    size: int  # bytes
    quantisation: str  # of most weights outside the embedding: "Q4_1", "F16"
    licence: str
    chat_template: str | None
    metadata: dict[str, Any]  # everything, long arrays as "49152 items"


class Gguf:
    """An open GGUF: `metadata` and `tensors` in the file's order; pages are mapped, not read."""

    def __init__(
        self, path: Path, content: Bytes, metadata: dict[str, Value], tensors: dict[str, TensorEntry]
    ) -> None:
        self.path = path
        self.content = content
        self.metadata = metadata
        self.tensors = tensors

    def get(self, key: str, default: Any = None) -> Any:
        """A metadata value without its type, or the default."""
        found = self.metadata.get(key)
        return default if found is None else found.value

    def need(self, key: str) -> Any:
        """A metadata value that the file must have.

        Raises:
            InputError: it has none.
        """
        if key not in self.metadata:
            raise InputError(f"{self.path}: no metadata '{key}'", "use a GGUF made by llama.cpp's converter")
        return self.metadata[key].value

    @property
    def architecture(self) -> str:
        """Family of the model, such as "llama" or "gemma3"."""
        return str(self.need("general.architecture"))

    def hyper(self, key: str) -> Any:
        """A value under the architecture's own prefix, such as `llama.block_count` for "block_count"."""
        return self.need(f"{self.architecture}.{key}")

    def entry(self, name: str) -> TensorEntry:
        """Where a tensor lies.

        Raises:
            InputError: the file has no tensor of this name.
        """
        if name not in self.tensors:
            raise InputError(
                f"{self.path}: no tensor '{name}'", "use a GGUF of a whole model of this architecture"
            )
        return self.tensors[name]

    def raw(self, name: str) -> Bytes:
        """A tensor's bytes as they lie in the file, [size]."""
        entry = self.entry(name)
        return self.content[entry.offset : entry.offset + entry.size]

    def tensor(self, name: str) -> Float:
        """A tensor dequantised to float32, in numpy's order [rows, row length].

        Raises:
            InputError: there is none, or its block format cannot be dequantised.
        """
        entry = self.entry(name)
        try:
            return dequantise(self.raw(name), entry.type, entry.shape)
        except NotImplementedError as error:
            raise InputError(
                f"{self.path}: tensor {name} is {entry.type}, which cannot be dequantised here",
                "use a file quantised as F16, Q8_0, Q4_0, Q4_1 or a K type",
            ) from error


def read_gguf(path: Path) -> Gguf:
    """Open a GGUF and check it: every tensor lies inside the file, where the runtime expects it.

    Raises:
        InputError: missing, empty, foreign, truncated or damaged.
    """
    try:
        with path.open("rb") as stream:
            mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except ValueError as error:  # an empty file cannot be mapped
        raise InputError(f"{path}: empty, expected a GGUF file", _MEND) from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})", "name a GGUF file") from error
    reading = _Reading(path, mapped)
    return Gguf(path, np.frombuffer(mapped, np.uint8), *reading.whole())


class _Reading:
    """A cursor over a mapped file; every step is checked against the file's end."""

    def __init__(self, path: Path, content: mmap.mmap) -> None:
        self.path = path
        self.content = content
        self.at = 0
        self.end = len(content)

    def fault(self, words: str) -> InputError:
        return InputError(f"{self.path}: {words}", _MEND)

    def advance(self, size: int, what: str) -> int:
        at = self.at
        if size > self.end - at:
            raise self.fault(
                f"truncated: {what} at byte {at:,} needs {size:,} bytes, the file ends at {self.end:,}"
            )
        self.at = at + size
        return at

    def scalar(self, letter: str, what: str) -> Any:
        form = f"<{letter}"
        return struct.unpack_from(form, self.content, self.advance(struct.calcsize(form), what))[0]

    def string(self, what: str) -> str:
        size = self.scalar("Q", what)
        at = self.advance(size, what)
        return self.content[at : at + size].decode("utf-8", "surrogateescape")  # written back byte for byte

    def whole(self) -> tuple[dict[str, Value], dict[str, TensorEntry]]:
        start = self.content[:4]
        if start != b"GGUF"[: len(start)]:
            raise self.fault(f"starts with {start!r}, expected b'GGUF': not a GGUF file")
        self.advance(4, "the mark")
        version = self.scalar("I", "the version")
        if version not in (2, 3):
            raise self.fault(f"GGUF version {version}, expected 2 or 3 in little-endian order")
        tensor_count, value_count = (
            self.scalar("Q", "the tensor count"),
            self.scalar("Q", "the metadata count"),
        )
        metadata: dict[str, Value] = {}
        for _ in range(value_count):
            key = self.string("a metadata key")
            if key in metadata:
                raise self.fault(f"metadata '{key}' stands twice")
            metadata[key] = self.value(f"metadata '{key}'")
        found = metadata.get("general.alignment")
        alignment = DEFAULT_ALIGNMENT if found is None else found.value
        if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
            raise self.fault(f"general.alignment = {alignment!r}, expected a power of two")
        return metadata, self.tensor_entries(tensor_count, alignment)

    def value(self, what: str) -> Value:
        kind = self.scalar("I", what)
        if kind in SCALARS:
            return Value(kind, self.scalar(SCALARS[kind], what))
        if kind == STRING:
            return Value(kind, self.string(what))
        if kind != ARRAY:
            raise self.fault(f"{what} has the unknown type {kind}")
        item, count = self.scalar("I", what), self.scalar("Q", what)
        if item in SCALARS:
            form = f"<{count}{SCALARS[item]}"
            size = count * struct.calcsize(f"<{SCALARS[item]}")
            at = self.advance(size, what)
            return Value(kind, list(struct.unpack_from(form, self.content, at)), item)
        if item == STRING:
            if count * 8 > self.end - self.at:
                raise self.fault(f"truncated: {what} names {count:,} strings, the file ends at {self.end:,}")
            return Value(kind, [self.string(what) for _ in range(count)], item)
        raise self.fault(f"{what} is an array of type {item}, expected numbers or strings")

    def tensor_entries(self, count: int, alignment: int) -> dict[str, TensorEntry]:
        entries: dict[str, TensorEntry] = {}
        running = 0
        for _ in range(count):
            entry = self.tensor_entry()
            if entry.name in entries:
                raise self.fault(f"tensor '{entry.name}' stands twice")
            if entry.offset != running:
                raise self.fault(f"tensor '{entry.name}' at offset {entry.offset:,}, expected {running:,}")
            entries[entry.name] = entry
            running += padded(entry.size, alignment)
        start = padded(self.at, alignment)
        for name, entry in entries.items():
            if start + entry.offset + entry.size > self.end:
                raise self.fault(
                    f"truncated: tensor '{name}' ends at byte {start + entry.offset + entry.size:,},"
                    f" the file at {self.end:,}"
                )
        return {
            name: TensorEntry(name, e.type, e.shape, start + e.offset, e.size) for name, e in entries.items()
        }

    def tensor_entry(self) -> TensorEntry:
        name = self.string("a tensor's name")
        dimensions = self.scalar("I", f"tensor '{name}'")
        if not 1 <= dimensions <= 4:
            raise self.fault(f"tensor '{name}' has {dimensions} dimensions, expected 1 to 4")
        shape = tuple(self.scalar("Q", f"tensor '{name}'") for _ in range(dimensions))[::-1]
        number = self.scalar("I", f"tensor '{name}'")
        offset = self.scalar("Q", f"tensor '{name}'")
        try:
            kind = gguf.GGMLQuantizationType(number)
        except ValueError as error:
            raise self.fault(f"tensor '{name}' has the unknown type {number}") from error
        block, size = gguf.GGML_QUANT_SIZES[kind]
        if shape[-1] % block or 0 in shape:
            raise self.fault(
                f"tensor '{name}' has shape {list(shape)}, expected rows of whole {kind.name} blocks ({block})"
            )
        return TensorEntry(name, kind.name, shape, offset, math.prod(shape) // block * size)


def padded(size: int, alignment: int) -> int:
    """The next multiple of the alignment."""
    return -(-size // alignment) * alignment


def describe(path: Path) -> GgufAbout:
    """What a GGUF file says of itself.

    Raises:
        InputError: missing, empty, foreign, truncated or damaged.
    """
    file = read_gguf(path)
    architecture = file.architecture
    tokens = file.get("tokenizer.ggml.tokens")
    return GgufAbout(
        architecture=architecture,
        name=str(file.get("general.name", path.stem)),
        context_tokens=int(file.get(f"{architecture}.context_length", 0)),
        vocabulary=len(tokens) if tokens is not None else int(file.get(f"{architecture}.vocab_size", 0)),
        parameters=sum(math.prod(entry.shape) for entry in file.tensors.values()),
        size=len(file.content),
        quantisation=_quantisation(file),
        licence=str(file.get("general.license", "")),
        chat_template=file.get("tokenizer.chat_template"),
        metadata={key: _shown(value) for key, value in file.metadata.items()},
    )


def control_tokens(path: Path) -> tuple[str, ...]:
    """Texts of the tokens that steer a model ("<|im_end|>"); typed by a user they are only text."""
    file = read_gguf(path)
    tokens, kinds = file.get("tokenizer.ggml.tokens"), file.get("tokenizer.ggml.token_type")
    if tokens is None or kinds is None:
        return ()
    return tuple(str(token) for token, kind in zip(tokens, kinds, strict=False) if int(kind) in (3, 4))


def _shown(value: Value) -> Any:
    long = isinstance(value.value, list) and len(value.value) > 64
    return f"{len(value.value)} items" if long else value.value


def _quantisation(file: Gguf) -> str:
    """The type of most weights; a file type that refines it (Q4_K_M for Q4_K) wins."""
    weights: dict[str, int] = {}
    for name, entry in file.tensors.items():
        if len(entry.shape) > 1 and name not in ("token_embd.weight", "output.weight"):
            weights[entry.type] = weights.get(entry.type, 0) + math.prod(entry.shape)
    most = max(weights, key=lambda kind: weights[kind], default="F32")
    try:
        named = gguf.LlamaFileType(file.get("general.file_type", -1)).name.removeprefix("MOSTLY_")
    except ValueError:
        return most
    return str(named) if named.startswith(most + "_") else most
