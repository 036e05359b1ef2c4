"""A layer on disk: `layer.json` (what it is and which base it is for) and `layer.safetensors` (its numbers).

Tensors carry the names of the transformers model and its orientation:

* `<module>.a` [rank, in] and `<module>.b` [out, rank]: the product `alpha / rank * b @ a` is added to the module's
  weight [out, in]; modules are `model.layers.N.self_attn.q_proj` and so on, `model.embed_tokens` and `lm_head`
  (for `model.embed_tokens` the weight is [vocabulary, hidden], so `b` has a row a token of the base);
* `model.embed_tokens.rows` [new tokens, hidden], and `lm_head.rows` where the base's output is not tied: the rows of
  added vocabulary, in the order of `tokens`.

Numbers are float16 or float32. Reading is strict: what does not fit together is refused before anything is built on it.
"""

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from rumpun.errors import EnvironmentFault, InputError
from rumpun.records.artefacts import sha256_file

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Tensors = dict[str, npt.NDArray[np.floating]]

__all__ = ["SPEC_FILE", "TENSORS_FILE", "LayerSpec", "layer_sha256", "read_layer", "read_spec", "write_layer"]

SPEC_FILE = "layer.json"
TENSORS_FILE = "layer.safetensors"
SCHEMA = 1

# suffix of a module -> its group inside a decoder block ("" stands outside the blocks)
MODULES: Mapping[str, str] = {
    "q_proj": "self_attn",
    "k_proj": "self_attn",
    "v_proj": "self_attn",
    "o_proj": "self_attn",
    "gate_proj": "mlp",
    "up_proj": "mlp",
    "down_proj": "mlp",
    "embed_tokens": "",
    "lm_head": "",
}
_OUTSIDE = {"embed_tokens": "model.embed_tokens", "lm_head": "lm_head"}
_BLOCK = re.compile(r"model\.layers\.(0|[1-9][0-9]*)\.")


class LayerSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a layer is, and the one base it stands on."""

    schema: int = SCHEMA
    base_name: str
    base_sha256: str  # of the base's GGUF file
    architecture: str = "llama"
    rank: int  # of every low-rank product
    alpha: float  # products are scaled by alpha / rank
    targets: tuple[str, ...]  # suffixes of transformers' modules: "q_proj", "embed_tokens"; may be empty
    tokens: tuple[str, ...] = ()  # added vocabulary, as a GGUF writes tokens (byte-level letters for BPE)
    merges: tuple[str, ...] = ()  # added merges "a b", ranked after the base's own
    chat_template: str | None = None  # replaces the base's
    licence: str = "Apache-2.0"  # SPDX
    stands_on: str | None = None  # sha256 (`layer_sha256`) of the layer under this one; None: the base alone


def modules(spec: LayerSpec, blocks: int) -> list[str]:
    """Names of every module that the layer changes, for a base of so many decoder blocks."""
    names = [
        f"model.layers.{block}.{MODULES[target]}.{target}"
        for block in range(blocks)
        for target in spec.targets
        if MODULES[target]
    ]
    return names + [_OUTSIDE[target] for target in spec.targets if not MODULES[target]]


def write_layer(folder: Path, spec: LayerSpec, tensors: "Mapping[str, npt.NDArray[np.floating]]") -> None:
    """Write a layer's two files, numbers first; what is written can be read by `read_layer`.

    Raises:
        InputError: the tensors and the spec do not fit together.
        EnvironmentFault: the folder cannot be written; nothing half-written is left under a final name.
    """
    import numpy as np
    from safetensors.numpy import save

    whole = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    _check_spec(spec, folder / SPEC_FILE)
    _check_tensors(spec, whole, folder / TENSORS_FILE)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentFault(
            f"{folder}: cannot be made ({error.strerror})", "name another folder"
        ) from error
    _write(folder / TENSORS_FILE, save(whole, metadata={"format": "np"}))
    table = msgspec.to_builtins(spec)
    if (
        spec.stands_on is None
    ):  # so that a reader from before this field reads every layer that does not need it
        del table["stands_on"]
    _write(folder / SPEC_FILE, msgspec.json.format(msgspec.json.encode(table), indent=1) + b"\n")


def layer_sha256(folder: Path) -> str:
    """What a layer is named by where another stands on it: the sha256 of its two files' sha256, so of all below it too.

    Raises:
        InputError: a file cannot be read.
    """
    both = sha256_file(folder / SPEC_FILE) + sha256_file(folder / TENSORS_FILE)
    return hashlib.sha256(both.encode()).hexdigest()


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise EnvironmentFault(
            f"{path}: cannot be written ({error.strerror or error}; {len(content):,} bytes)",
            "free space, or name another folder",
        ) from error


def read_spec(folder: Path) -> LayerSpec:
    """The layer's `layer.json` alone, checked.

    Raises:
        InputError: there is none, it is no layer's, or of a schema that this version does not know.
    """
    path = folder / SPEC_FILE
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{folder}: no layer there ({SPEC_FILE}: {error.strerror})",
            f"name a folder that holds {SPEC_FILE} and {TENSORS_FILE}",
        ) from error
    try:
        table = msgspec.json.decode(raw)
        schema = table.get("schema") if isinstance(table, dict) else None
        if schema != SCHEMA:
            raise InputError(
                f"{path}: schema {schema!r}, this version reads {SCHEMA}",
                "use the version of rumpun that the layer was made with, or a newer one",
            )
        spec = msgspec.convert(table, LayerSpec, strict=True)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise InputError(
            f"{path}: not a layer's description ({error})", "make or fetch the layer again"
        ) from error
    _check_spec(spec, path)
    return spec


def read_layer(folder: Path) -> "tuple[LayerSpec, Tensors]":
    """A layer, checked whole: names, shapes, ranks and finite numbers.

    Raises:
        InputError: a file is missing or damaged, or spec and tensors do not fit together.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    spec = read_spec(folder)
    path = folder / TENSORS_FILE
    try:
        tensors: Tensors = dict(
            sorted(load(path.read_bytes()).items())
        )  # the file's own order is nobody's promise
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror})", "make or fetch the layer again"
        ) from error
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: not whole safetensors ({error})", "make or fetch the layer again"
        ) from error
    _check_tensors(spec, tensors, path)
    return spec, tensors


def _check_spec(spec: LayerSpec, path: Path) -> None:
    unknown = [target for target in spec.targets if target not in MODULES]
    faults = [
        (spec.schema != SCHEMA, f"schema {spec.schema}, this version knows {SCHEMA}"),
        (spec.rank < 1, f"rank = {spec.rank}, expected 1 or more"),
        (not 0 < spec.alpha < float("inf"), f"alpha = {spec.alpha}, expected a positive number"),
        (not re.fullmatch(r"[0-9a-f]{64}", spec.base_sha256), f"base_sha256 = '{spec.base_sha256}', expected 64 hex digits"),
        (spec.stands_on is not None and not re.fullmatch(r"[0-9a-f]{64}", spec.stands_on),
         f"stands_on = '{spec.stands_on}', expected 64 hex digits"),
        (bool(unknown), f"unknown targets {', '.join(unknown)}, expected some of {', '.join(MODULES)}"),
        (len(set(spec.targets)) != len(spec.targets), "a target stands twice"),
        (len(set(spec.tokens)) != len(spec.tokens), "an added token stands twice"),
        ("" in spec.tokens, "an added token is empty"),
        (len(set(spec.merges)) != len(spec.merges), "an added merge stands twice"),
        (any(_halves(merge) != 2 for merge in spec.merges), "a merge is not two parts with one space between"),
        (not spec.targets and not spec.tokens and spec.chat_template is None, "it changes nothing"),
    ]  # fmt: skip
    for wrong, words in faults:
        if wrong:
            raise InputError(f"{path}: {words}", "make the layer again")


def _halves(merge: str) -> int:
    return len([part for part in merge.split(" ") if part]) if merge.count(" ") == 1 else 0


def _blocks(tensors: "Mapping[str, npt.NDArray[np.floating]]") -> int:
    return 1 + max((int(found[1]) for name in tensors if (found := _BLOCK.match(name))), default=-1)


def _check_tensors(spec: LayerSpec, tensors: "Mapping[str, npt.NDArray[np.floating]]", path: Path) -> None:
    expected = {f"{module}.{side}" for module in modules(spec, _blocks(tensors)) for side in "ab"}
    if any(MODULES[target] for target in spec.targets) and not _blocks(tensors):
        raise InputError(f"{path}: no tensors of decoder blocks, {SPEC_FILE} targets {', '.join(spec.targets)}",
                         "make the layer again")  # fmt: skip
    if spec.tokens:
        expected.add("model.embed_tokens.rows")
    missing = sorted(expected - tensors.keys())
    extra = sorted(tensors.keys() - expected - ({"lm_head.rows"} if spec.tokens else set()))
    for names, word in ((missing, "missing"), (extra, "not expected")):
        if names:
            raise InputError(
                f"{path}: {len(names)} tensors {word}, the first is {names[0]}",
                f"{SPEC_FILE} and {TENSORS_FILE} must come from one run; make the layer again",
            )
    for name, tensor in tensors.items():
        _check_tensor(spec, name, tensor, path)


def _check_tensor(spec: LayerSpec, name: str, tensor: "npt.NDArray[np.floating]", path: Path) -> None:
    import numpy as np

    side = name.rpartition(".")[2]
    along = {
        "a": (0, spec.rank, "rank"),
        "b": (-1, spec.rank, "rank"),
        "rows": (0, len(spec.tokens), "tokens"),
    }[side]
    axis, size, what = along
    if tensor.dtype not in (np.float16, np.float32):
        raise InputError(
            f"{path}: {name} is {tensor.dtype}, expected float16 or float32", "make the layer again"
        )
    if tensor.ndim != 2 or tensor.shape[axis] != size or 0 in tensor.shape:
        shape = {"a": f"[{size}, in]", "b": f"[out, {size}]", "rows": f"[{size}, hidden]"}[side]
        raise InputError(
            f"{path}: {name} has shape {list(tensor.shape)}, expected {shape} ({what} of {SPEC_FILE})",
            f"{SPEC_FILE} and {TENSORS_FILE} must come from one run; make the layer again",
        )
    if not np.isfinite(tensor).all():
        count = int(tensor.size - np.isfinite(tensor).sum())
        raise InputError(
            f"{path}: {name} has {count} of {tensor.size} values that are not finite (NaN or infinite)",
            "train the layer again with a lower learning rate or in float32",
        )
