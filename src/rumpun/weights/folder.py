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
from rumpun.weights.gguf_file import Gguf, Value, read_gguf
from rumpun.weights.gguf_write import whole_file
from rumpun.weights.merge import Merged, open_layer
from rumpun.weights.names import Naming, heads_first
from rumpun.weights.quantise import Float
from rumpun.weights.tokenizer_json import special_tokens, tokenizer_config, tokenizer_json
from rumpun.weights.vocabulary import extended

__all__ = ["write_folder"]


def write_folder(gguf: Path, folder: Path, *, layer: Path | None = None, progress: Progress = quiet) -> None:
    """Write config.json, model.safetensors, tokenizer.json, tokenizer_config.json and generation_config.json.

    Args:
        gguf: a llama in any quantisation that can be dequantised.
        folder: made if need be.
        layer: a layer for exactly this GGUF; its products are added, its vocabulary and chat template taken.
        progress: called with (bytes done, bytes in all, tensor).

    Raises:
        InputError: the file or layer is damaged, they do not belong together, or the model has no counterpart.
        EnvironmentFault: the folder cannot be written.
    """
    model = _model(read_gguf(gguf), layer)
    config = _config(model)
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
        heads = self.naming.permuted_heads(source)
        return heads_first(tensor, heads) if heads else tensor


def _model(file: Gguf, layer: Path | None) -> _Model:
    naming = Naming(file)
    merged = open_layer(file, layer) if layer is not None else None
    template = file.get("tokenizer.chat_template")
    if merged and merged.spec.chat_template is not None:
        template = merged.spec.chat_template
    metadata = extended(file, merged.spec) if merged else file.metadata
    named = {naming.transformers(name): name for name in file.tensors}
    return _Model(file, naming, merged, metadata, template, named)


def _config(model: _Model) -> dict[str, Any]:
    """What transformers' LlamaConfig needs. Source: convert_hf_to_gguf.py, read the other way."""
    file, naming = model.file, model.naming
    scaling = file.get("llama.rope.scaling.type", "none")
    if scaling != "none":
        raise InputError(
            f"{file.path}: llama.rope.scaling.type = '{scaling}', expected none",
            "start from the model's own transformers folder",
        )
    hidden = int(file.hyper("embedding_length"))
    special = special_tokens(model.metadata)
    theta = float(file.get("llama.rope.freq_base", 10000.0))
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": model.shape("token_embd.weight")[0],
        "hidden_size": hidden,
        "intermediate_size": int(file.hyper("feed_forward_length")),
        "num_hidden_layers": naming.blocks,
        "num_attention_heads": naming.heads,
        "num_key_value_heads": naming.key_heads,
        "head_dim": int(file.get("llama.attention.key_length", hidden // naming.heads)),
        "hidden_act": "silu",
        "max_position_embeddings": int(file.hyper("context_length")),
        "rms_norm_eps": _short(float(file.hyper("attention.layer_norm_rms_epsilon"))),
        "rope_theta": theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": theta},
        "attention_bias": "blk.0.attn_q.bias" in file.tensors,
        "attention_dropout": 0.0,
        "mlp_bias": "blk.0.ffn_up.bias" in file.tensors,
        "tie_word_embeddings": "output.weight" not in file.tensors,
        "initializer_range": 0.02,
        "use_cache": True,
        "dtype": "float32",
        **{f"{kind}_token_id": number for kind, number in special.items() if kind in ("bos", "eos", "pad")},
    }


def _short(value: float) -> float:
    """The shortest decimal that is the same float32: 1e-05 for 9.999999747378752e-06."""
    return float(np.format_float_scientific(np.float32(value)))


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
    end = 0
    for name, source in model.named.items():
        shape = model.shape(source)
        start, end = end, end + 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [start, end]}
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with whole_file(path) as stream:
        stream.write(struct.pack("<Q", len(head)) + head)
        for name, source in model.named.items():
            stream.write(np.ascontiguousarray(model.tensor(source)).data)
            progress(header[name]["data_offsets"][1], end, name)
