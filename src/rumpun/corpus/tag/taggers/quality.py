"""The tagger `quality`: how much a text is like those named as good, in its own language.

The model is an artefact of `corpus.train_quality`: a head for each language over hashed character n-grams. `Scorer` is the
port: whatever gives a score between 0 and 1 for texts of a language can stand in its place, an encoder for one.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rumpun.corpus.tag.batch import Batch
from rumpun.corpus.tag.taggers.language import sample

if TYPE_CHECKING:
    import pyarrow as pa

    from rumpun.language.heads import Heads

__all__ = ["CHARACTERS", "HeadsScorer", "Quality", "Scorer"]

CHARACTERS = 1_500  # of a text that are looked at, in training and in use
_TOGETHER = 256  # texts hashed at once, which bounds the memory


class Scorer(Protocol):
    """What scores texts of one language."""

    def scores(self, texts: Sequence[str], language: str) -> NDArray[np.float32] | None:
        """[N] 0 to 1, higher is better; None where it knows nothing of the language."""
        ...


class HeadsScorer:
    """Linear heads, one file a language.

    Args:
        folder: with `<language>.json` and `<language>.safetensors`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._heads: dict[str, Heads | None] = {}

    def scores(self, texts: Sequence[str], language: str) -> NDArray[np.float32] | None:
        """As the port says."""
        heads = self._read(language)
        if heads is None:
            return None
        found = np.zeros(len(texts), dtype=np.float32)
        for start in range(0, len(texts), _TOGETHER):
            pieces = [sample(text, CHARACTERS) for text in texts[start : start + _TOGETHER]]
            logits = heads.logits(pieces)[:, 0] / float(heads.facts["temperature"])
            found[start : start + _TOGETHER] = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
        return found

    def _read(self, language: str) -> "Heads | None":
        from rumpun.language.heads import read_heads

        if language not in self._heads:
            there = (self._folder / f"{language}.json").is_file()
            self._heads[language] = read_heads(self._folder, language) if there else None
        return self._heads[language]


@functools.lru_cache(maxsize=2)
def _scorer(folder: str) -> Scorer:
    return HeadsScorer(Path(folder))


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """A score by a model for each language."""

    model: str = (
        ""  # folder of an artefact of corpus.train_quality; filled in where the step is among `needs`
    )

    @property
    def name(self) -> str:
        """As in the table."""
        return "quality"

    @property
    def version(self) -> int:
        """Raised whenever a score changes."""
        return 1

    @property
    def columns(self) -> "pa.Schema":
        """0 to 1; null for languages without a model."""
        import pyarrow as pa

        return pa.schema([("quality.score", pa.float32())])

    def facts(self) -> dict[str, Any]:
        """The model's id; empty while it is not known."""
        from rumpun.records.artefacts import read_manifest

        return {"model": read_manifest(Path(self.model)).id} if self.model else {}

    def tag(self, batch: Batch) -> "dict[str, pa.Array]":
        """N scores."""
        import pyarrow as pa

        scorer = _scorer(self.model)
        found = np.full(len(batch), np.nan, dtype=np.float32)
        tags = np.array(batch.languages, dtype=object)
        for tag in sorted(set(batch.languages)):
            rows = np.flatnonzero(tags == tag)
            scores = scorer.scores([batch.texts[row] for row in rows.tolist()], tag)
            if scores is not None:
                found[rows] = scores
        return {"quality.score": pa.array(found, pa.float32(), from_pandas=True)}
