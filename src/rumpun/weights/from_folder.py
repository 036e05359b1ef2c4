"""A transformers folder -> a GGUF that llama.cpp runs, tensor by tensor, without torch.

One-dimensional tensors are float32. Matrices keep the precision that they are stored in, or take the one asked for. The
file says which folder it was made from (`rumpun.made_from_sha256`), so that a layer trained on that folder fits it.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import gguf
import numpy as np

from rumpun.errors import InputError
from rumpun.steps import Progress, quiet
from rumpun.weights.families.hyper import ROPE_FREQS, XIELU, Config, read_config
from rumpun.weights.gguf_file import MADE_FROM, Value
from rumpun.weights.gguf_write import NewTensor, text, write_gguf
from rumpun.weights.kinds import Quantisation
from rumpun.weights.names import gguf_name, pairs_first, permuted_heads
from rumpun.weights.quantise import BLOCK, Bytes, quantise, row_bytes
from rumpun.weights.shards import Shards, weights_sha256
from rumpun.weights.tokenizer_gguf import tokenizer_metadata

__all__ = ["write_gguf_of"]

_UINT32: Final = 4
_OUTSIDE: Final = ("token_embd.weight", "output_norm.weight", "output.weight")


def write_gguf_of(
    folder: Path,
    target: Path,
    quantisation: Quantisation | None = None,
    *,
    metadata: Mapping[str, str] | None = None,
    progress: Progress = quiet,
) -> None:
    """Write `target`: the folder's model as one GGUF.

    Args:
        folder: config.json, one or several .safetensors, tokenizer.json.
        target: takes its name when the file is whole.
        quantisation: of the matrices; None: as they are stored (float32, float16 or bfloat16).
        metadata: keys to set, such as `general.name` and `general.license`.
        progress: called with (bytes done, bytes in all, tensor).

    Raises:
        InputError: of an unknown family, or a part is missing, damaged or does not fit to the others.
        EnvironmentFault: the target cannot be written.
    """
    config, shards = read_config(folder), Shards(folder)
    source = _Source(config, shards, quantisation)
    rows = source.rows()
    whole = config.metadata(rows) | tokenizer_metadata(folder, rows) | source.activation()
    kind = quantisation or source.most()
    whole["general.file_type"] = Value(_UINT32, int(_file_type(kind)))
    whole["general.quantization_version"] = Value(_UINT32, int(gguf.GGML_QUANT_VERSION))
    whole["general.name"] = text(folder.resolve().name)
    whole[MADE_FROM] = text(weights_sha256(folder))
    whole |= {key: text(value) for key, value in (metadata or {}).items()}
    write_gguf(target, whole, source.tensors(), progress=progress)


def _file_type(kind: str) -> gguf.LlamaFileType:
    return gguf.LlamaFileType["ALL_F32" if kind == "F32" else f"MOSTLY_{kind}"]


class _Source:
    """The folder's tensors under GGUF's names, checked to be all that the family has and no others."""

    def __init__(self, config: Config, shards: Shards, quantisation: Quantisation | None) -> None:
        self.config, self.shards, self.quantisation = config, shards, quantisation
        self.family = config.family
        self.named: dict[str, str] = {}  # GGUF's name -> the folder's
        self.numbers: dict[str, dict[int, str]] = {key: {} for key in XIELU}  # of the activation, by block
        for name in shards.entries:
            self._place(name)
        self._check()

    def _fault(self, words: str, mend: str = "fetch or make the folder again") -> InputError:
        return InputError(f"{self.shards.folder}: {words}", mend)

    def _place(self, stored: str) -> None:
        name = self.config.bare(stored)
        if name is None or name.endswith(".rotary_emb.inv_freq"):  # of images; computed from the settings
            return
        parts = name.split(".")
        if self.family.activation == "xielu" and parts[-1] in XIELU and parts[-2:-1] == ["act_fn"]:
            self.numbers[parts[-1]][int(parts[2])] = stored
            return
        found = gguf_name(self.family, name)
        if found is None:
            raise self._fault(
                f"tensor {stored} has no place in a {self.family.architecture}",
                "name a plain model of its family, without adapters, experts or added heads",
            )
        if found == "output.weight" and self.config.tied:
            return  # the same numbers again
        self.named[found] = stored

    def _check(self) -> None:
        wanted = {
            f"blk.{block}.{own}.weight" for block in range(self.config.blocks) for own in self.family.blocks
        }
        wanted |= {name for name in _OUTSIDE if name != "output.weight" or not self.config.tied}
        if lacking := sorted(wanted - self.named.keys()):
            raise self._fault(f"no tensor for {lacking[0]} ({len(lacking)} are missing)")
        extra = sorted(name for name in self.named.keys() - wanted if not name.endswith(".bias"))
        if extra:
            raise self._fault(
                f"tensor {self.named[extra[0]]} is beyond the {self.config.blocks} blocks of config.json"
            )
        for key, placed in self.numbers.items():
            if self.family.activation == "xielu" and sorted(placed) != list(range(self.config.blocks)):
                raise self._fault(f"act_fn.{key} stands in {len(placed)} of {self.config.blocks} blocks")
        hidden, rows = self.config.hidden, self.config.raw.get("vocab_size")
        shape = self._shape("token_embd.weight")
        if shape[1:] != (hidden,) or (rows is not None and int(rows) != shape[0]):
            raise self._fault(
                f"the embedding is {list(shape)}, config.json says {[rows, hidden]} (vocab_size, hidden_size)",
                "config.json and weights must be of one model: fetch both again",
            )

    def rows(self) -> int:
        """Rows of the embedding."""
        return self._shape("token_embd.weight")[0]

    def _shape(self, name: str) -> tuple[int, ...]:
        return self.shards.entries[self.named[name]].shape

    def most(self) -> str:
        """The precision that most numbers are stored in."""
        sizes: dict[str, int] = {}
        for stored in self.named.values():
            entry = self.shards.entries[stored]
            sizes[entry.type] = sizes.get(entry.type, 0) + math.prod(entry.shape)
        return max(sizes, key=lambda kind: sizes[kind])

    def activation(self) -> dict[str, Value]:
        """The numbers of xIELU as metadata; nothing where the family has none."""
        if self.family.activation != "xielu":
            return {}
        read = {
            key: [float(self.shards.tensor(placed[block]).reshape(-1)[0]) for block in sorted(placed)]
            for key, placed in self.numbers.items()
        }
        return self.config.activation(read)

    def tensors(self) -> list[NewTensor]:
        """Embedding, blocks in their order, output; each made when its turn comes."""
        blocks = (f"blk.{block}.{own}." for block in range(self.config.blocks) for own in self.family.blocks)
        order = ["token_embd.weight"]
        order += [name + kind for name in blocks for kind in ("weight", "bias")]
        order += ["output_norm.weight", "output.weight"]
        planned = [self._planned(name) for name in order if name in self.named]
        factors = self.config.rope_factors()
        if factors is not None:
            bare = factors.view(np.uint8)
            planned.append(NewTensor(ROPE_FREQS, "F32", factors.shape, bare.nbytes, lambda: bare))
        return planned

    def _planned(self, name: str) -> NewTensor:
        entry = self.shards.entries[self.named[name]]
        shape = entry.shape
        kind: str = "F32" if len(shape) == 1 else self.quantisation or entry.type
        if kind not in ("F32", "F16", "BF16") and shape[-1] % BLOCK:
            kind = "F16"
        size = math.prod(shape[:-1]) * row_bytes(shape[-1], kind)
        return NewTensor(name, kind, shape, size, lambda: self._make(name, kind))

    def _make(self, name: str, kind: str) -> Bytes:
        stored, config = self.named[name], self.config
        heads = permuted_heads(self.family, name, config.heads, config.key_heads)
        shifted = bool(self.family.norm_added) and self.family.is_norm(name)
        if kind == self.shards.entries[stored].type and not heads and not shifted:
            return self.shards.raw(stored)
        tensor = self.shards.tensor(stored)
        if heads:
            tensor = pairs_first(tensor, heads)
        if shifted:
            tensor = tensor + np.float32(self.family.norm_added)
        with np.errstate(over="raise"):
            try:
                return quantise(np.ascontiguousarray(tensor), kind)
            except FloatingPointError as error:
                raise self._fault(
                    f"{stored} has numbers too large for {kind}", "ask for F32 or Q8_0"
                ) from error
