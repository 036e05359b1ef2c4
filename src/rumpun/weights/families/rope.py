"""Rotary frequencies as the two sides write them: settings in config.json, factors and keys in a GGUF.

Llama 3.1 stretched its context by slowing the low frequencies: transformers keeps the four numbers of that rule
(`rope_type = "llama3"`), a GGUF the finished divisors in the tensor `rope_freqs.weight`.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from rumpun.errors import InputError
from rumpun.weights.quantise import Float

__all__ = ["LLAMA3", "factors_of", "settings_of"]

LLAMA3: Final[Mapping[str, float]] = {
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
_NEAR: Final = 1e-5  # relative; the factors are float32


def factors_of(settings: Mapping[str, Any], head_dim: int) -> Float:
    """Divisors of the frequencies, [head_dim / 2], by the rule "llama3"."""
    theta, factor = float(settings["rope_theta"]), float(settings["factor"])
    low, high = float(settings["low_freq_factor"]), float(settings["high_freq_factor"])
    old = float(settings["original_max_position_embeddings"])
    wave = 2 * math.pi * theta ** (np.arange(0, head_dim, 2) / head_dim)
    share = (old / wave - low) / (high - low)  # 0 for the slowest, 1 for the fastest
    middle = 1 / ((1 - share) / factor + share)
    return np.where(wave < old / high, 1.0, np.where(wave > old / low, factor, middle)).astype(np.float32)


def settings_of(factors: Float, theta: float, original: int | None, where: object) -> dict[str, Any]:
    """The rule's four numbers for divisors that a GGUF holds; `original` is the context before stretching, if it says so.

    Raises:
        InputError: they do not come from the rule with the numbers that Llama 3 and Apertus have.
    """
    settings = {"rope_type": "llama3", "rope_theta": theta, "factor": float(factors.max()), **LLAMA3}
    settings["original_max_position_embeddings"] = original or int(LLAMA3["original_max_position_embeddings"])
    if np.abs(factors_of(settings, 2 * len(factors)) / factors - 1).max() > _NEAR:
        raise InputError(
            f"{where}: rope_freqs.weight does not follow the rule 'llama3' with {dict(LLAMA3)}",
            "start from the model's own transformers folder",
        )
    return settings
