"""Bits per byte of a model on texts, per language, alone or against another.

A language's figure is total bits over total UTF-8 bytes. Each document is scored alone, after one end-of-text token, never
truncated, in the model's own tokenization; that is the engines' `score`.
"""

import math
from collections.abc import Sequence
from typing import Any

from rumpun.engines.port import Engine
from rumpun.errors import InputError, UsageError
from rumpun.evaluate.texts import Text
from rumpun.measure.bits import bits
from rumpun.measure.resample import paired_interval
from rumpun.steps import Progress, quiet

__all__ = ["EMPTY", "compare", "figures", "score_texts"]

BATCH = 8  # documents given to an engine at once
_DIGITS = 6
EMPTY: dict[str, Any] = {"model": None, "against": None, "difference": None, "documents": None, "bytes": None}


def compare(
    model: Engine,
    against: Engine | None,
    documents: Sequence[Text],
    *,
    draws: int = 10_000,
    seed: int = 0,
    progress: Progress = quiet,
) -> dict[str, Any]:
    """Bits per byte of one model, and of another on the same texts where one is given.

    Returns:
        {"languages": {tag: {"model", "against", "difference": [low, high], "documents", "bytes"}}}: bits per byte,
        `difference` is model minus against, 95 %, documents resampled in pairs. `against` and `difference` are null
        without a second model, `difference` also for a single document.

    Raises:
        UsageError: an engine cannot score.
        InputError: a score that is no number.
    """
    total = len(documents) * (1 if against is None else 2)
    ours = score_texts(model, documents, lambda done, _=0, note="": progress(done, total, note))
    theirs = None
    if against is not None:
        theirs = score_texts(
            against, documents, lambda done, _=0, note="": progress(len(documents) + done, total, note)
        )
    return figures(documents, ours, theirs, draws=draws, seed=seed)


def score_texts(engine: Engine, documents: Sequence[Text], progress: Progress = quiet) -> list[float]:
    """Natural log-probability of each document, in the order given.

    Raises:
        UsageError: the engine cannot score.
        InputError: a score that is no number.
    """
    about = engine.about()
    if "score" not in about.can:
        raise UsageError(
            f"{about.name}: this engine ({about.engine}) cannot score text",
            "name a GGUF file or a folder of weights",
        )
    found: list[float] = []
    for start in range(0, len(documents), BATCH):
        batch = documents[start : start + BATCH]
        scores = engine.score([("", text.text) for text in batch])
        for text, score in zip(batch, scores, strict=True):
            if not math.isfinite(score.logprob):
                raise InputError(
                    f"{text.where}: {about.name} gives it a log-probability of {score.logprob}",
                    "drop the text, or use other weights",
                )
            found.append(score.logprob)
        progress(len(found), len(documents), about.name)
    return found


def figures(
    documents: Sequence[Text],
    model: Sequence[float],
    against: Sequence[float] | None,
    *,
    draws: int = 10_000,
    seed: int = 0,
) -> dict[str, Any]:
    """The table of `compare` from log-probabilities that are known already."""
    import numpy as np

    languages: dict[str, Any] = {}
    for tag in dict.fromkeys(text.language for text in documents):
        places = [place for place, text in enumerate(documents) if text.language == tag]
        sizes = np.array([documents[place].bytes for place in places], dtype=np.float64)
        ours = np.array([bits(model[place]) for place in places])
        row: dict[str, Any] = {
            "model": _rounded(ours.sum() / sizes.sum()),
            "against": None,
            "difference": None,
        }
        if against is not None:
            theirs = np.array([bits(against[place]) for place in places])
            row["against"] = _rounded(theirs.sum() / sizes.sum())
            found = paired_interval(ours, theirs, sizes, draws=draws, seed=seed)
            row["difference"] = [_rounded(end) for end in found] if found else None
        languages[tag] = row | {"documents": len(places), "bytes": int(sizes.sum())}
    return {"languages": languages}


def _rounded(value: float) -> float:
    return round(float(value), _DIGITS)
