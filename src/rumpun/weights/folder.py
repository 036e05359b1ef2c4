"""A GGUF, with a layer or without -> a folder that transformers loads, without torch.

Weights are dequantised to float32 and their rows put back into transformers' order; the tokenizer, the chat template
and the special tokens come from the GGUF's metadata. `config.json` is written last: a folder without it is not whole.
"""

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rumpun.errors import InputError
from rumpun.steps import Progress, quiet
from rumpun.weights.families.hyper import ROPE_FREQS, XIELU, config_of
from rumpun.weights.gguf_file import Gguf, Value, read_gguf
from rumpun.weights.gguf_write import whole_file
from rumpun.weights.merge import Merged, open_layer
from rumpun.weights.names import Naming, heads_first
from rumpun.weights.quantise import Float
from rumpun.weights.tokenizer_json import special_tokens, tokenizer_config, tokenizer_json
from rumpun.weights.vocabulary import check_rows, extended

__all__ = ["write_folder"]


def write_folder(gguf: Path, folder: Path, *, layer: Path | None = None, progress: Progress = quiet) -> None:
    """Write config.json, model.safetensors, tokenizer.json, tokenizer_config.json and generation_config.json.

    Args:
        gguf: of a family in the table, in any quantisation that can be dequantised.
        folder: made if need be.
        layer: a layer for exactly this GGUF; its products are added, its vocabulary and chat template taken.
        progress: called with (bytes done, bytes in all, tensor).

    Raises:
        InputError: the file or layer is damaged, they do not belong together, or the model has no counterpart.
        EnvironmentFault: the folder cannot be written.
    """
    model = _model(read_gguf(gguf), layer)
    rows = model.shape("token_embd.weight")[0]
    config = config_of(model.file, model.naming.family, rows, special_tokens(model.metadata))
    tables = {
        "tokenizer.json": tokenizer_json(model.file, model.metadata),
        "tokenizer_config.json": tokenizer_config(
            model.metadata, config["max_position_embeddings"], model.template
        ),
        "generation_config.json": _generation(model.metadata),
        "config.json": config,
    }
    (folder / "config.json").unlink(missing_ok=True)
    _write_tensors(folder / "model.safetensors", model, progress)
    for name, table in tables.items():
        with whole_file(folder / name) as stream:
            stream.write(json.dumps(table, ensure_ascii=False, indent=1).encode() + b"\n")


@dataclass(frozen=True, slots=True)
class _Model:
    """A GGUF with or without a layer, seen from transformers."""

    file: Gguf
    naming: Naming
    merged: Merged | None
    metadata: Mapping[str, Value]
    template: str | None  # of chats
    named: Mapping[str, str]  # transformers' name -> GGUF's

    def shape(self, source: str) -> tuple[int, ...]:
        return self.merged.shape(source) if self.merged else self.file.entry(source).shape

    def tensor(self, source: str) -> Float:
        tensor = self.merged.tensor(source) if self.merged else self.file.tensor(source)
        family = self.naming.family
        if family.norm_added and family.is_norm(source):
            return tensor - np.float32(family.norm_added)
        heads = self.naming.permuted_heads(source)
        return heads_first(tensor, heads) if heads else tensor


def _model(file: Gguf, layer: Path | None) -> _Model:
    check_rows(file)
    naming = Naming(file)
    merged = open_layer(file, layer) if layer is not None else None
    template = file.get("tokenizer.chat_template")
    if merged and merged.spec.chat_template is not None:
        template = merged.spec.chat_template
    metadata = extended(file, merged.spec) if merged else file.metadata
    named = {naming.transformers(name): name for name in file.tensors if name != ROPE_FREQS}
    return _Model(file, naming, merged, metadata, template, named)


def _activation(file: Gguf, naming: Naming) -> dict[str, Float]:
    """The numbers of xIELU as transformers' tensors: what is trained of shape [1], what is fixed of shape []."""
    if naming.family.activation != "xielu":
        return {}
    made: dict[str, Float] = {}
    for key in XIELU:
        given = file.need(f"xielu.{key}")
        numbers = given if isinstance(given, list) else [given] * naming.blocks
        if len(numbers) != naming.blocks:
            raise InputError(
                f"{file.path}: xielu.{key} has {len(numbers)} numbers, expected one a block ({naming.blocks})",
                "use another GGUF of the model",
            )
        shape = (1,) if key.startswith("alpha") else ()
        for block, number in enumerate(numbers):
            made[f"model.layers.{block}.mlp.act_fn.{key}"] = np.full(shape, number, np.float32)
    return made


def _generation(metadata: Mapping[str, Value]) -> dict[str, Any]:
    special = special_tokens(metadata)
    config: dict[str, Any] = {
        f"{kind}_token_id": special[kind] for kind in ("bos", "eos", "pad") if kind in special
    }
    if "eot" in special and special["eot"] != special.get("eos"):
        config["eos_token_id"] = [number for kind, number in special.items() if kind in ("eos", "eot")]
    return config


def _write_tensors(path: Path, model: _Model, progress: Progress) -> None:
    """One float32 tensor after the other. Format: https://huggingface.co/docs/safetensors."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    small = _activation(model.file, model.naming)
    shapes = {name: model.shape(source) for name, source in model.named.items()}
    shapes |= {name: tensor.shape for name, tensor in small.items()}
    end = 0
    for name, shape in shapes.items():
        start, end = end, end + 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [start, end]}
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with whole_file(path) as stream:
        stream.write(struct.pack("<Q", len(head)) + head)
        for name in shapes:
            tensor = small[name] if name in small else model.tensor(model.named[name])
            stream.write(np.ascontiguousarray(tensor).data)
            progress(header[name]["data_offsets"][1], end, name)
