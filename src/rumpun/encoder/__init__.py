"""Sentences -> unit vectors of meaning, in eleven languages of the region; a teacher's English space for all of them.

Reading order for use: `encoder` (Encoder: int8 ONNX and a tokenizer, no torch). For training, each a step: `pairs` (aligned
text, cleaned and split by source), `vocabulary` (subwords and their first vectors), `train` (distillation; `batches`,
`noise`, `targets`, `teacher`, `model`), `export` (`onnx_graph`), measured by `measure`; `card` and `release`.
Names are imported when they are first used; they bring numpy, onnxruntime and tokenizers.
"""

import importlib
from typing import TYPE_CHECKING, Any

_PUBLIC = {"Encoder": "rumpun.encoder.encoder"}

__all__ = ["Encoder"]

if TYPE_CHECKING:
    from rumpun.encoder.encoder import Encoder


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'rumpun.encoder' has no attribute '{name}'")
