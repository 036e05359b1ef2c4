"""Prompts and answers -> verdicts, by country policy; streams held sentence by sentence.

Reading order: `taxonomy` (categories, from `categories.toml`), `judgement` (what models say), `policy/` (what a country
makes of it), `verdict` (both together); `normalise` and `windows` (what the heads see of a text), `heads`, `words` (rules
of words), `exchange` (several turns), `guard` (Guard), `moderation` (OpenAI's shape), `stream` (StreamHold); `attacks/`
and `robustness` (how spelling tricks are withstood). For those who train: `sets` and `rows` (labelled rows, read by
script), `augment`, `fit`, `thresholds`, `train` (the step), `held_out` (measuring), `card` and `release`.
Names are imported when they are first used; they bring numpy and onnxruntime.
"""

import importlib
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "Exchange": "rumpun.guard.exchange",
    "Guard": "rumpun.guard.guard",
    "Policy": "rumpun.guard.policy",
    "StreamHold": "rumpun.guard.stream",
    "Verdict": "rumpun.guard.verdict",
}

__all__ = ["Exchange", "Guard", "Policy", "StreamHold", "Verdict"]

if TYPE_CHECKING:
    from rumpun.guard.exchange import Exchange
    from rumpun.guard.guard import Guard
    from rumpun.guard.policy import Policy
    from rumpun.guard.stream import StreamHold
    from rumpun.guard.verdict import Verdict


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'rumpun.guard' has no attribute '{name}'")
