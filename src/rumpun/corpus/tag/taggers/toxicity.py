"""The tagger `toxicity`: linear heads over character n-grams as a score on a bounded sample of each text.

The heads are those of `layers/toxicity` (the project's first guard): a corpus is read at megabytes a second, which a guard
with an encoder does not reach. This is a score for a person's threshold, no verdict.
"""

import functools
import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rumpun.corpus.tag.batch import Batch
from rumpun.records.places import shipped_folder

if TYPE_CHECKING:
    import pyarrow as pa

    from rumpun.language.heads import Heads

__all__ = ["WINDOW", "Toxicity", "windows"]

WINDOW = 600  # code points judged together, as the guard was trained
_TOGETHER = 256  # windows hashed at once, which bounds the memory
_UNSAFE = "unsafe"


@functools.lru_cache(maxsize=2)
def _heads(folder: str) -> "Heads":
    from rumpun.language.heads import read_heads

    return read_heads(Path(folder), "guard")


@functools.lru_cache(maxsize=2)
def _unsafe(folder: str) -> "Heads":
    """That head by itself: its weights stay in the processor's cache, those of all heads do not."""
    heads = _heads(folder)
    at = heads.labels.index(_UNSAFE)
    one = slice(at, at + 1)
    return replace(
        heads,
        labels=(_UNSAFE,),
        weights=np.ascontiguousarray(heads.weights[:, one]),
        scale=heads.scale[one],
        bias=heads.bias[one],
    )


def windows(text: str, most: int) -> list[str]:
    """The text, or at most so many windows of it, spread evenly from its beginning to its end; none for white space."""
    if not text.strip():
        return []
    if len(text) <= WINDOW:
        return [text]
    count = min(most, -(-len(text) // WINDOW))
    starts = (
        np.linspace(0, len(text) - WINDOW, count).astype(np.int64) if count > 1 else np.zeros(1, np.int64)
    )
    return [text[start : start + WINDOW] for start in starts.tolist()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Toxicity:
    """The largest score over a text's windows."""

    guard: str = ""  # folder of n-gram heads; empty: the shipped ones
    windows: int = 3  # of a text that are looked at

    def check(self) -> None:
        """Refuse what cannot be meant."""
        if self.windows < 1:
            raise ValueError(f"windows = {self.windows}: expected 1 or more")

    @property
    def name(self) -> str:
        """As in the table."""
        return "toxicity"

    @property
    def version(self) -> int:
        """Raised whenever a score changes."""
        return 1

    @property
    def columns(self) -> "pa.Schema":
        """0 to 1; 0 for a text without content."""
        import pyarrow as pa

        return pa.schema([("toxicity.unsafe", pa.float32())])

    def facts(self) -> dict[str, Any]:
        """Which guard, by name and hash."""
        heads = _heads(self._folder())
        digest = hashlib.sha256(np.ascontiguousarray(heads.weights).tobytes()).hexdigest()[:16]
        return {"guard": heads.facts.get("name", ""), "weights": digest}

    def _folder(self) -> str:
        return self.guard or str(shipped_folder() / "toxicity")

    def tag(self, batch: Batch) -> "dict[str, pa.Array]":
        """N scores."""
        import pyarrow as pa

        return {"toxicity.unsafe": pa.array(self.scores(batch.texts), pa.float32())}

    def scores(self, texts: list[str]) -> NDArray[np.float32]:
        """[N] the probability of the head `unsafe`."""
        head = _unsafe(self._folder())
        parts = [windows(text, self.windows) for text in texts]
        owner = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        flat = [window for part in parts for window in part]
        found = np.zeros(len(texts), dtype=np.float32)
        for start in range(0, len(flat), _TOGETHER):
            logits = head.logits(flat[start : start + _TOGETHER])[:, 0]
            odds = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
            np.maximum.at(found, owner[start : start + _TOGETHER], odds)
        return found
