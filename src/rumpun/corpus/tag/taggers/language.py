"""The tagger `language`: which language a text is in, on a bounded sample of it.

Of a long text its beginning, its middle and its end are looked at, and a few of its lines by themselves: a page whose main
text is Indonesian under an English menu is told from an English page.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rumpun.corpus.letters import LETTERS, SCRIPTS
from rumpun.corpus.tag.batch import Batch
from rumpun.records.artefacts import sha256_file

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["LanguageTagger", "identifier_languages", "sample"]

_LINE_LEAST, _LINE_MOST = 20, 120  # code points of a line that is asked about by itself
_HANI = SCRIPTS.index("Hani")


def sample(text: str, characters: int) -> str:
    """The text, or as much of its beginning, middle and end together."""
    if len(text) <= characters:
        return text
    third = characters // 3
    middle = (len(text) - third) // 2
    return "\n".join((text[:third], text[middle : middle + third], text[-third:]))


def identifier_languages() -> list[str]:
    """Every tag that the identifier can answer."""
    from rumpun.language.identifier import _BY_SCRIPT, latin

    return sorted({*latin().labels, *_BY_SCRIPT.values(), "shn"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageTagger:
    """The language of a text's letters, and of some of its lines."""

    characters: int = 1_200  # of a text that are looked at
    lines: int = 6  # lines of a text that are asked about one by one

    def check(self) -> None:
        """Refuse what cannot be meant."""
        if self.characters < 30 or self.lines < 0:
            raise ValueError(
                f"characters = {self.characters}, lines = {self.lines}: expected 30 or more, 0 or more"
            )

    @property
    def name(self) -> str:
        """As in the table."""
        return "language"

    @property
    def version(self) -> int:
        """Raised whenever a column changes."""
        return 1

    @property
    def columns(self) -> "pa.Schema":
        """The label `und` has probability 0; `lines` is null where no line is long enough or none is declared."""
        import pyarrow as pa

        return pa.schema(
            [
                ("language.label", pa.string()),
                ("language.probability", pa.float32()),
                (
                    "language.lines",
                    pa.float32(),
                ),  # share of the lines looked at that are in the declared language
                (
                    "language.script",
                    pa.string(),
                ),  # ISO 15924 of most letters, Han counted three times; "" without
            ]
        )

    def facts(self) -> dict[str, Any]:
        """The identifier: what it can answer, and the hash of its model."""
        from rumpun.language import identifier

        path = Path(identifier.__file__).parent / "identifier.safetensors"
        return {"languages": identifier_languages(), "identifier": sha256_file(path)[:16]}

    def tag(self, batch: Batch) -> "dict[str, pa.Array]":
        """N labels, probabilities, shares and scripts."""
        import pyarrow as pa

        from rumpun.language import identify_all

        asked = [sample(text, self.characters) for text in batch.texts]
        chosen = self._chosen(batch)
        asked += [text for _, text in chosen]
        found = identify_all(asked, spans=False)
        whole, single = found[: len(batch)], found[len(batch) :]
        right, seen = np.zeros(len(batch)), np.zeros(len(batch))
        for (owner, _), line in zip(chosen, single, strict=True):
            seen[owner] += 1
            right[owner] += line.language == batch.declared[owner]
        shares = np.where(seen > 0, right / np.maximum(seen, 1), np.nan).astype(np.float32)
        return {
            "language.label": pa.array([item.language for item in whole], pa.string()),
            "language.probability": pa.array([item.probability for item in whole], pa.float32()),
            "language.lines": pa.array(shares, pa.float32(), from_pandas=True),
            "language.script": pa.array(_scripts(batch), pa.string()),
        }

    def _chosen(self, batch: Batch) -> list[tuple[int, str]]:
        """(text, line) of the lines that are asked about: spread evenly over the long enough lines of each text."""
        lines = batch.lines
        length = lines.last - lines.first
        long = np.flatnonzero(length >= _LINE_LEAST)
        bounds = np.searchsorted(lines.owner[long], np.arange(len(batch) + 1))
        found: list[tuple[int, str]] = []
        for owner in range(len(batch)):
            first, last = int(bounds[owner]), int(bounds[owner + 1])
            if not batch.declared[owner] or last - first < 2:  # a single line is the text itself
                continue
            picks = np.unique(np.linspace(first, last - 1, min(self.lines, last - first)).astype(np.int64))
            for line in long[picks]:
                start = int(lines.first[line] - batch.starts[owner])
                stop = start + min(int(length[line]), _LINE_MOST)
                found.append((owner, batch.texts[owner][start:stop]))
        return found


def _scripts(batch: Batch) -> list[str]:
    counts = np.stack([batch.with_kind(LETTERS + number) for number in range(1, len(SCRIPTS))], axis=1)
    counts[:, _HANI - 1] *= 3
    best = counts.argmax(axis=1)
    return [SCRIPTS[1 + int(place)] if row[place] else "" for row, place in zip(counts, best, strict=True)]
