"""Many merges tried, the one with the fewest bits per byte on held-out texts chosen, and its figure told on other texts.

The figure is the mean over languages of bits per byte, so that no language wins by its size. The least of many figures is
too low for what it measures, since the choice picks luck too: hence a share of the texts is kept from the choice.
"""

import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rumpun.errors import InputError, UsageError
from rumpun.layer.merging.held_texts import HeldText, shared_out
from rumpun.measure.bits import bits
from rumpun.measure.resample import interval, paired_interval
from rumpun.steps import Progress, quiet

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from rumpun.engines.port import Engine

    Floats = npt.NDArray[np.float64]

__all__ = ["FLATTERS", "Try", "score_layer", "score_model", "sweep"]

FLATTERS = (
    "the figures of the tries are on the texts that chose among them, and the best of them flatters; report the figure on"
    " other texts"
)
_BATCH = 8

Score = Callable[[Path, Sequence[HeldText]], list[float]]
Try = tuple[
    dict[str, Any], Callable[[Path], dict[str, Any]]
]  # (what is told of it, what makes it in a folder)


def sweep(
    tries: Sequence[Try],
    texts: Sequence[HeldText],
    score: Score,
    *,
    report_share: float,
    scratch: Path,
    seed: int = 0,
    progress: Progress = quiet,
) -> tuple[int, dict[str, Any]]:
    """The winner's place among the tries, and the table of all.

    Args:
        tries: each with a function that makes it in an empty folder and says what it did.
        texts: held out from the parents' training.
        score: folder and texts -> natural log-probability of each.
        report_share: of the texts, kept from the choice.
        scratch: for what is tried; one at a time stands there.
        seed: shares the texts out and draws the intervals.
        progress: called with (tries done, tries in all, what).

    Returns:
        {"tries": [{…, "bits_per_byte", "interval", "languages", "above_best"}], "chosen", "report", "warning"}: 95 %
        intervals over documents; `above_best` is the paired one of a try's distance from the chosen.
    """
    if not tries:
        raise UsageError("nothing to try", "name methods and weights")
    choose, report = shared_out(texts, report_share, seed)
    rows: list[dict[str, Any]] = []
    found: list[Floats] = []
    for place, (about, make) in enumerate(tries):
        progress(place, len(tries), str(about))
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            told = make(Path(folder))
            found.append(_bits(score(Path(folder), choose)))
        rows.append(about | {"error": told.get("error")} | _figure(choose, found[-1], seed))
    best = min(range(len(rows)), key=lambda place: rows[place]["bits_per_byte"])
    tops, sizes = _alike(choose)
    for row, mine in zip(rows, found, strict=True):
        apart = paired_interval(mine * tops, found[best] * tops, sizes, seed=seed)
        row["above_best"] = _rounded(apart) if row is not rows[best] else None
    told_report = None
    if report:
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            tries[best][1](Path(folder))
            told_report = _figure(report, _bits(score(Path(folder), report)), seed) | {
                "documents": len(report)
            }
    progress(len(tries), len(tries), "chosen")
    return best, {
        "tries": rows,
        "chosen": best,
        "documents": len(choose),
        "report": told_report,
        "warning": FLATTERS,
    }


def _bits(logprobs: Sequence[float]) -> "Floats":
    import numpy as np

    return np.array([bits(logprob) for logprob in logprobs])


def _alike(texts: Sequence[HeldText]) -> "tuple[Floats, Floats]":
    """(what each document's bits count, what its bytes count), so that each language's bytes count alike."""
    import numpy as np

    sizes = np.array([len(text.text.encode()) for text in texts], np.float64)
    tags = [text.language for text in texts]
    whole = {tag: sum(size for t, size in zip(tags, sizes, strict=True) if t == tag) for tag in set(tags)}
    share = np.array([1 / (len(whole) * whole[tag]) for tag in tags])
    return share, sizes * share


def _figure(texts: Sequence[HeldText], found: "Floats", seed: int) -> dict[str, Any]:
    import numpy as np

    share, sizes = _alike(texts)
    languages = {}
    for tag in dict.fromkeys(text.language for text in texts):
        mine = np.array([text.language == tag for text in texts])
        whole = sum(len(text.text.encode()) for text in texts if text.language == tag)
        languages[tag] = round(float(found[mine].sum() / whole), 6)
    ends = interval(found * share, sizes, seed=seed)
    return {
        "bits_per_byte": round(float((found * share).sum() / sizes.sum()), 6),
        "interval": _rounded(ends),
        "languages": languages,
    }


def _rounded(ends: tuple[float, float] | None) -> list[float] | None:
    return [round(end, 6) for end in ends] if ends else None


def score_model(folder: Path, texts: Sequence[HeldText]) -> list[float]:
    """Log-probability of each text by a transformers folder.

    Raises:
        MissingPartError: torch is not installed.
        InputError: a figure that is no number.
    """
    from rumpun.engines.load import open_engine

    engine = open_engine(folder)
    try:
        return _scores(engine, texts)
    finally:
        engine.close()


def score_layer(base: Path) -> Score:
    """What scores layers of this base: put together as F16 where it is a GGUF, so without torch; else as a folder."""

    def score(layer: Path, texts: Sequence[HeldText]) -> list[float]:
        from rumpun.engines.load import open_engine
        from rumpun.layer.merge import merge_folder
        from rumpun.weights.assemble import assemble

        with tempfile.TemporaryDirectory(dir=layer.parent) as scratch:
            place = Path(scratch) / "whole"
            if base.is_dir():
                merge_folder(base, layer, place, quiet)
                return score_model(place, texts)
            assemble(base, layer, place.with_suffix(".gguf"), "F16")
            engine = open_engine(place.with_suffix(".gguf"))
            try:
                return _scores(engine, texts)
            finally:
                engine.close()

    return score


def _scores(engine: "Engine", texts: Sequence[HeldText]) -> list[float]:
    found: list[float] = []
    for start in range(0, len(texts), _BATCH):
        batch = engine.score([("", text.text) for text in texts[start : start + _BATCH]])
        found += [score.logprob for score in batch]
    if not all(math.isfinite(value) for value in found):
        raise InputError(
            f"{engine.about().name}: gives a text a log-probability that is no number", "use other weights"
        )
    return found
