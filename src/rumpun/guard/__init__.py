"""Prompts and answers -> verdicts; streams held sentence by sentence.

Reading order: `taxonomy` (categories and what labels mean, from `categories.toml`), `normalise` (what the heads see),
`guard` (Guard, Verdict), `moderation` (OpenAI's shape), `stream` (StreamHold), and for those who train: `rows` (the
labelled rows, read by script), `train` (the step), `held_out` (measuring), `card` and `release`.
Names are imported when they are first used; they bring numpy.
"""

import importlib
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "Guard": "rumpun.guard.guard",
    "StreamHold": "rumpun.guard.stream",
    "Verdict": "rumpun.guard.guard",
}

__all__ = ["Guard", "StreamHold", "Verdict"]

if TYPE_CHECKING:
    from rumpun.guard.guard import Guard, Verdict
    from rumpun.guard.stream import StreamHold


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'rumpun.guard' has no attribute '{name}'")
