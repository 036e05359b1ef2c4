"""What config.json says of a model <-> what a GGUF's metadata says of it.

Only what the runtime computes as transformers does is let through; anything else is named and refused, because a model
that runs and answers a little wrongly is worse than none.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from rumpun.errors import InputError
from rumpun.weights.families.rope import LLAMA3, factors_of, settings_of
from rumpun.weights.families.table import Family, by_model_type
from rumpun.weights.gguf_file import ARRAY, Gguf, Value
from rumpun.weights.gguf_write import text
from rumpun.weights.quantise import Float

__all__ = ["ROPE_FREQS", "XIELU", "Config", "config_of", "read_config", "text_family"]

ROPE_FREQS: Final = "rope_freqs.weight"
XIELU: Final = ("alpha_p", "alpha_n", "beta", "eps")  # one number a block each
_UINT32, _FLOAT32 = 4, 6
_SMOLLM3_EVERY: Final = 4  # blocks from one without rotary positions to the next; fixed in the runtime
_GEMMA_27B_BLOCKS: Final = 62  # the runtime knows this size by its depth, and scales its attention otherwise
_TEXT = (
    "language_model.",
    "model.language_model.",
)  # before a text model's tensors inside a model of text and images


class Config:
    """A checked config.json: `get` knows the family's defaults; `metadata` and `rope_factors` are a GGUF's.

    Raises:
        InputError: of an unknown family, or it asks for what the runtime does not compute.
    """

    def __init__(self, path: Path, raw: Mapping[str, Any]) -> None:
        self.path = path
        self.family: Family = by_model_type(str(raw.get("model_type")), path)
        self.inside = "text_config" in raw  # a text model in a model of text and images
        self.raw: dict[str, Any] = {**raw, **raw["text_config"]} if self.inside else dict(raw)
        self.blocks = int(self.need("num_hidden_layers"))
        self.hidden = int(self.need("hidden_size"))
        self.heads = int(self.need("num_attention_heads"))
        self.key_heads = int(self.get("num_key_value_heads") or self.heads)
        self.head_dim = int(self.get("head_dim") or self.hidden // self.heads)
        self.tied = bool(self.get("tie_word_embeddings"))
        self.rope, self.local = self._rope()
        self._check()

    def get(self, key: str) -> Any:
        """A value, the family's default where the file leaves it out, or None."""
        found = self.raw.get(key)
        return self.family.defaults.get(key) if found is None else found

    def need(self, key: str) -> Any:
        """A value that must be there."""
        found = self.get(key)
        if found is None:
            raise InputError(f"{self.path}: no '{key}'", "fetch or make the folder again")
        return found

    def _refuse(self, words: str) -> InputError:
        return InputError(
            f"{self.path}: {words}",
            f"the runtime does not compute that for {self.family.architecture}; name another base",
        )

    def _rope(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Settings of every block, or of Gemma's blocks that look far; and of those that look near."""
        given = dict(self.raw.get("rope_parameters") or {})
        far = dict(given.get("full_attention") or ({} if "sliding_attention" in given else given))
        near = dict(given.get("sliding_attention") or {})
        far |= {} if given else dict(self.raw.get("rope_scaling") or {})
        far["rope_type"] = far.get("rope_type") or far.get("type") or "default"
        far["rope_theta"] = float(far.get("rope_theta") or self.get("rope_theta"))
        if far["rope_type"] == "llama3":
            far = {**LLAMA3, **far}
        near["rope_theta"] = float(near.get("rope_theta") or self.get("rope_local_base_freq") or 0)
        return far, near

    def _check(self) -> None:
        act = self.raw.get("hidden_act") or self.raw.get("hidden_activation") or self.family.activation
        kind = self.rope["rope_type"]
        for wrong, words in (
            (act != self.family.activation, f"activation '{act}', expected '{self.family.activation}'"),
            (kind not in ("default", "linear", "llama3"), f"rope_type '{kind}', expected default, linear or llama3"),
            (kind == "llama3" and self.family.architecture == "gemma3", "rope_type 'llama3'"),
            (bool(self.get("attention_bias") or self.get("mlp_bias")) and not self.family.biases, "biases"),
            (bool(self.get("final_logit_softcapping") or self.get("attn_logit_softcapping")), "logits are soft-capped"),
            (bool(self.raw.get("use_sliding_window")), "use_sliding_window = true"),
            (bool(self.raw.get("use_bidirectional_attention")), "use_bidirectional_attention = true"),
            (self.family.untied and self.tied, "tie_word_embeddings = true"),
            (self.family.architecture == "smollm3" and not self._smollm3_rhythm(), "no_rope_layers is not every fourth"),
            (self.family.architecture == "gemma3" and self.get("query_pre_attn_scalar") != self._gemma_scalar(),
             f"query_pre_attn_scalar = {self.get('query_pre_attn_scalar')}, expected {self._gemma_scalar()}"),
        ):  # fmt: skip
            if wrong:
                raise self._refuse(words)

    def _smollm3_rhythm(self) -> bool:
        given = self.raw.get("no_rope_layers")
        wanted = [int((block + 1) % _SMOLLM3_EVERY != 0) for block in range(self.blocks)]
        every = self.raw.get("no_rope_layer_interval", _SMOLLM3_EVERY)
        return list(given)[: self.blocks] == wanted if given is not None else every == _SMOLLM3_EVERY

    def _gemma_scalar(self) -> int:
        return self.hidden // self.heads if self.blocks == _GEMMA_27B_BLOCKS else self.head_dim

    def _pattern(self) -> int:
        """Blocks from one that looks far to the next."""
        kinds = self.raw.get("layer_types")
        if kinds is None:
            return int(self.get("sliding_window_pattern"))
        far = [block for block, kind in enumerate(kinds) if kind == "full_attention"]
        every = far[0] + 1 if far else max(int(self.get("sliding_window_pattern")), len(kinds) + 1)
        if far != list(range(every - 1, len(kinds), every)):
            raise self._refuse("layer_types do not come back at one distance")
        return every

    def bare(self, name: str) -> str | None:
        """A tensor's name in the text model alone; None for one that belongs to images."""
        if not self.inside:
            return name
        for before in _TEXT:
            if name.startswith(before):
                rest = name.removeprefix(before)
                return rest if rest.startswith(("model.", "lm_head.")) else f"model.{rest}"
        return name if name == "lm_head.weight" else None

    def rope_factors(self) -> Float | None:
        """Divisors of the rotary frequencies, where the model has its own."""
        return factors_of(self.rope, self.head_dim) if self.rope["rope_type"] == "llama3" else None

    def metadata(self, vocabulary: int) -> dict[str, Value]:
        """Everything of a GGUF's metadata but the tokenizer and the activation's numbers."""
        pre = self.family.architecture
        counts = {
            "block_count": self.blocks,
            "context_length": int(self.need("max_position_embeddings")),
            "embedding_length": self.hidden,
            "feed_forward_length": int(self.need("intermediate_size")),
            "attention.head_count": self.heads,
            "attention.head_count_kv": self.key_heads,
            "attention.key_length": self.head_dim,
            "attention.value_length": self.head_dim,
            "rope.dimension_count": self.head_dim,
            "vocab_size": vocabulary,
        }
        numbers = {
            "attention.layer_norm_rms_epsilon": float(self.need("rms_norm_eps")),
            "rope.freq_base": self.rope["rope_theta"],
        }
        if pre == "gemma3" and self.get("sliding_window"):
            counts["attention.sliding_window"] = int(self.get("sliding_window"))
            counts["attention.sliding_window_pattern"] = self._pattern()
            numbers["rope.freq_base_swa"] = self.local["rope_theta"]
        if self.rope["rope_type"] == "llama3":
            counts["rope.scaling.original_context_length"] = int(
                self.rope["original_max_position_embeddings"]
            )
        made = {"general.architecture": text(pre), "general.type": text("model")}
        made |= {f"{pre}.{key}": Value(_UINT32, value) for key, value in counts.items()}
        made |= {f"{pre}.{key}": Value(_FLOAT32, value) for key, value in numbers.items()}
        if self.rope["rope_type"] == "linear":
            made[f"{pre}.rope.scaling.type"] = text("linear")
            made[f"{pre}.rope.scaling.factor"] = Value(_FLOAT32, float(self.rope["factor"]))
        return made

    def activation(self, numbers: Mapping[str, list[float]]) -> dict[str, Value]:
        """The activation's numbers, block by block, as metadata."""
        return {f"xielu.{key}": Value(ARRAY, values, _FLOAT32) for key, values in numbers.items()}


def read_config(folder: Path) -> Config:
    """The folder's config.json, checked.

    Raises:
        InputError: missing, damaged, of an unknown family, or it asks for what the runtime does not compute.
    """
    path = folder / "config.json"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read ({error})", "name a folder of transformers weights"
        ) from error
    if not isinstance(raw, dict):
        raise InputError(f"{path}: not a table", "fetch or make the folder again")
    return Config(path, raw)


def text_family(folder: Path) -> Family:
    """The family of a folder that layers can be trained on.

    Raises:
        InputError: none that is known, or the text model stands inside a model of text and images.
    """
    config = read_config(folder)
    if config.inside:
        raise InputError(
            f"{folder}: a model of text and images, and layers are trained on text models",
            f"write its text model first: rumpun edge export --base {folder} --quantisation F16 --out text.gguf",
        )
    return config.family


def config_of(file: Gguf, family: Family, vocabulary: int, special: Mapping[str, int]) -> dict[str, Any]:
    """config.json for a GGUF; `vocabulary` counts the rows, `special` names tokens ("bos", "eos", "pad").

    Raises:
        InputError: the file asks for what transformers does not compute for this family.
    """
    hidden, heads = int(file.hyper("embedding_length")), int(file.hyper("attention.head_count"))
    blocks = int(file.hyper("block_count"))
    head_dim = int(file.get(f"{family.architecture}.attention.key_length", hidden // heads))
    theta = float(file.get(f"{family.architecture}.rope.freq_base", family.defaults["rope_theta"]))
    gelu = family.architecture == "gemma3"
    return {
        "architectures": [family.model_class],
        "model_type": family.model_type,
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "intermediate_size": int(file.hyper("feed_forward_length")),
        "num_hidden_layers": blocks,
        "num_attention_heads": heads,
        "num_key_value_heads": int(file.get(f"{family.architecture}.attention.head_count_kv", heads)),
        "head_dim": head_dim,
        "hidden_activation" if gelu else "hidden_act": family.activation,
        "max_position_embeddings": int(file.hyper("context_length")),
        "rms_norm_eps": _short(float(file.hyper("attention.layer_norm_rms_epsilon"))),
        "attention_bias": "blk.0.attn_q.bias" in file.tensors,
        "attention_dropout": 0.0,
        "tie_word_embeddings": "output.weight" not in file.tensors,
        "initializer_range": 0.02,
        "use_cache": True,
        "dtype": "float32",
        **_rotary(file, family, theta),
        **_own(file, family, hidden // heads if blocks == _GEMMA_27B_BLOCKS else head_dim),
        **{f"{kind}_token_id": special.get(kind) for kind in ("bos", "eos", "pad")},
    }


def _rotary(file: Gguf, family: Family, theta: float) -> dict[str, Any]:
    pre = family.architecture
    scaling = file.get(f"{pre}.rope.scaling.type", "none")
    settings: dict[str, Any] = {"rope_type": "default", "rope_theta": theta}
    if ROPE_FREQS in file.tensors:
        original = file.get(f"{pre}.rope.scaling.original_context_length")
        settings = settings_of(file.tensor(ROPE_FREQS), theta, original, file.path)
    elif scaling == "linear":
        settings |= {"rope_type": "linear", "factor": float(file.hyper("rope.scaling.factor"))}
    elif scaling != "none":
        raise InputError(
            f"{file.path}: {pre}.rope.scaling.type = '{scaling}', expected none or linear",
            "start from the model's own transformers folder",
        )
    if pre != "gemma3":
        return {"rope_theta": theta, "rope_parameters": settings}
    local = float(file.get(f"{pre}.rope.freq_base_swa", family.defaults["rope_local_base_freq"]))
    near = {"rope_type": "default", "rope_theta": local}
    return {"rope_parameters": {"full_attention": settings, "sliding_attention": near}}


def _own(file: Gguf, family: Family, scalar: int) -> dict[str, Any]:
    """What only one family's config has."""
    pre, blocks = family.architecture, int(file.hyper("block_count"))
    if pre in ("llama", "smollm3"):
        own: dict[str, Any] = {"mlp_bias": "blk.0.ffn_up.bias" in file.tensors}
        if pre == "smollm3":
            own["no_rope_layers"] = [int((block + 1) % _SMOLLM3_EVERY != 0) for block in range(blocks)]
            own["no_rope_layer_interval"] = _SMOLLM3_EVERY
        return own
    if pre != "gemma3":
        return {}
    if float(file.get("gemma3.final_logit_softcapping", 0.0)):
        raise InputError(
            f"{file.path}: logits are soft-capped, which no published Gemma 3 has", "name another base"
        )
    window = int(file.get("gemma3.attention.sliding_window", 0))
    every = int(
        file.get("gemma3.attention.sliding_window_pattern", family.defaults["sliding_window_pattern"])
    )
    far = [not window or (block + 1) % every == 0 for block in range(blocks)]
    return {
        "query_pre_attn_scalar": scalar,
        "sliding_window": window or None,
        "layer_types": ["full_attention" if one else "sliding_attention" for one in far],
        "attn_logit_softcapping": None,
        "final_logit_softcapping": None,
    }


def _short(value: float) -> float:
    """The shortest decimal that is the same float32: 1e-05 for 9.999999747378752e-06."""
    return float(np.format_float_scientific(np.float32(value)))
