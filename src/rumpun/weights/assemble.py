"""A base's GGUF and a layer -> one standalone GGUF, with numpy alone.

Matrices take the quantisation asked for; for Q4_0 and Q4_1 the embedding and the output stay Q8_0, as llama.cpp's own
tool keeps them finer. One-dimensional tensors are float32. A matrix whose rows are not whole blocks of 32 becomes F16
and is named in the metadata `rumpun.kept_f16`. What the layer does not change and what has its type already is copied
byte for byte.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import msgspec
import numpy as np

from rumpun.errors import InputError, UsageError, nearest
from rumpun.records.artefacts import sha256_file
from rumpun.steps import Progress, quiet
from rumpun.weights.gguf_file import Gguf, TensorEntry, Value, read_gguf
from rumpun.weights.gguf_write import NewTensor, file_size, strings, text, write_gguf
from rumpun.weights.kinds import FINER, QUANTISATIONS, Quantisation
from rumpun.weights.merge import Merged, open_layer
from rumpun.weights.quantise import BLOCK, Bytes, quantise, row_bytes
from rumpun.weights.tokenizer_json import TRUER_CUTS
from rumpun.weights.vocabulary import extended

__all__ = ["Metadata", "assemble", "assembled_size"]

Metadata = Mapping[str, str | list[str]]
_LOOKED_UP = ("token_embd.weight", "output.weight")
_UINT32 = 4


def assemble(
    base: Path,
    layer: Path | None,
    target: Path,
    quantisation: Quantisation,
    *,
    embeddings: Quantisation | None = None,
    metadata: Metadata | None = None,
    progress: Progress = quiet,
) -> None:
    """Write `target`: the base with the layer on it, quantised.

    Args:
        base: the GGUF that the layer was made for.
        layer: the layer's folder; None only changes the quantisation.
        target: takes its name when the file is whole.
        quantisation: of the matrices.
        embeddings: of embedding and output; default `FINER`'s for Q4, the same for the others.
        metadata: keys to set, such as `general.name`, `rumpun.id` and `rumpun.parents`; the base's own stay.
        progress: called with (bytes done, bytes in all, tensor).

    Raises:
        UsageError: no such quantisation.
        InputError: base or layer are damaged, or do not belong together.
        EnvironmentFault: the target cannot be written.
    """
    whole, planned = _prepared(base, layer, quantisation, embeddings, metadata or {})
    write_gguf(target, whole, planned, progress=progress)


def assembled_size(
    base: Path,
    layer: Path | None,
    quantisation: Quantisation,
    *,
    embeddings: Quantisation | None = None,
    metadata: Metadata | None = None,
) -> int:
    """Bytes of the file that `assemble` would write from the same arguments.

    Raises:
        UsageError: no such quantisation.
        InputError: base or layer are damaged, or do not belong together.
    """
    return file_size(*_prepared(base, layer, quantisation, embeddings, metadata or {}))


def _prepared(
    base: Path,
    layer: Path | None,
    quantisation: Quantisation,
    embeddings: Quantisation | None,
    metadata: Metadata,
) -> tuple[dict[str, Value], list[NewTensor]]:
    file = read_gguf(base)
    merged = open_layer(file, layer) if layer is not None else None
    planned = _plan(file, merged, quantisation, embeddings)
    whole = _metadata(file, merged, quantisation) | {
        key: text(value) if isinstance(value, str) else strings(value) for key, value in metadata.items()
    }
    kept = [tensor.name for tensor in planned if tensor.type == "F16"]
    if kept and "F16" not in (quantisation, embeddings):
        whole["rumpun.kept_f16"] = strings(kept)
    return whole, planned


def _plan(
    file: Gguf, merged: Merged | None, quantisation: Quantisation, embeddings: Quantisation | None
) -> list[NewTensor]:
    for asked in (quantisation, embeddings or quantisation):
        if asked not in QUANTISATIONS:
            raise UsageError(f"quantisation = '{asked}'", nearest(asked, list(QUANTISATIONS)))
    looked_up = embeddings or FINER.get(quantisation, quantisation)
    return [
        _planned(file, merged, entry, looked_up if entry.name in _LOOKED_UP else quantisation)
        for entry in file.tensors.values()
    ]


def _planned(file: Gguf, merged: Merged | None, entry: TensorEntry, asked: Quantisation) -> NewTensor:
    shape = merged.shape(entry.name) if merged else entry.shape
    changed = merged is not None and merged.changes(entry.name)
    kind: str = "F32" if len(shape) == 1 else asked
    if kind not in ("F32", "F16") and shape[-1] % BLOCK:
        kind = "F16"
    size = int(np.prod(shape[:-1], dtype=np.int64)) * row_bytes(shape[-1], kind)

    def make() -> Bytes:
        if kind == entry.type and not changed:
            return file.raw(entry.name)
        tensor = merged.tensor(entry.name) if merged and changed else file.tensor(entry.name)
        with np.errstate(over="raise"):
            try:
                return quantise(tensor, kind)
            except FloatingPointError as error:
                raise InputError(
                    f"{file.path}: {entry.name} has numbers too large for {kind} (largest {np.abs(tensor).max():.3g})",
                    "train the layer again with a lower learning rate",
                ) from error

    return NewTensor(entry.name, kind, shape, size, make)


def _metadata(file: Gguf, merged: Merged | None, quantisation: Quantisation) -> dict[str, Value]:
    whole = extended(file, merged.spec) if merged else dict(file.metadata)
    cut = whole.get("tokenizer.ggml.pre")
    if cut is not None and file.architecture in TRUER_CUTS.get(cut.value, ()):
        whole["tokenizer.ggml.pre"] = text(TRUER_CUTS[cut.value][file.architecture])
    kind = gguf.LlamaFileType["ALL_F32" if quantisation == "F32" else f"MOSTLY_{quantisation}"]
    whole["general.file_type"] = Value(_UINT32, int(kind))
    whole["general.quantization_version"] = Value(_UINT32, int(gguf.GGML_QUANT_VERSION))
    if merged is None:
        whole.setdefault("rumpun.base_sha256", text(sha256_file(file.path)))
        return whole
    whole["rumpun.base_sha256"] = text(merged.spec.base_sha256)
    whole["general.license"] = text(_licence(file.get("general.license", ""), merged.spec.licence))
    if merged.spec.chat_template is not None:
        whole["tokenizer.chat_template"] = text(merged.spec.chat_template)
    whole["rumpun.layer"] = text(_shown(merged))
    return whole


def _licence(base: Any, layer: str) -> str:
    """Both licences; GGUF files write SPDX ids in small letters."""
    if not base or str(base).lower() == layer.lower():
        return layer
    return f"{base} AND {layer}"


def _shown(merged: Merged) -> str:
    """The layer's facts without its long parts, as JSON."""
    spec = merged.spec
    facts = {"base_name": spec.base_name, "rank": spec.rank, "alpha": spec.alpha, "targets": spec.targets,
             "tokens": len(spec.tokens), "merges": len(spec.merges), "licence": spec.licence}  # fmt: skip
    return msgspec.json.encode(facts).decode()
