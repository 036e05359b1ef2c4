"""Texts with a label that the encoder learns beside its teacher's vectors, so that what tells them apart is in its own.

A linear probe over the vectors is trained with it and thrown away; rows are drawn by their weight.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

__all__ = ["KIND", "LABELS", "Labels", "read_labels"]

KIND, LABELS = "labelled-texts", "labels.parquet"


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Labelled texts as subwords."""

    ids: list[list[int]]
    unsafe: "torch.Tensor"  # float [rows]
    weight: "torch.Tensor"  # [rows]

    def draw(self, rows: int, generator: "torch.Generator") -> "tuple[list[list[int]], torch.Tensor]":
        """Subwords and labels of so many rows, drawn by weight."""
        import torch

        places = torch.multinomial(self.weight, rows, replacement=True, generator=generator)
        return [self.ids[n] for n in places.tolist()], self.unsafe[places]


def read_labels(folder: Path, tokenizer: Any, longest: int) -> Labels:
    """What the step that labels texts wrote; texts are cut at `longest` subwords."""
    import torch
    from pyarrow import parquet

    table = parquet.read_table(folder / LABELS).to_pydict()
    ids = [
        row.ids if len(row.ids) <= longest else [*row.ids[: longest - 1], row.ids[-1]]
        for row in tokenizer.encode_batch(table["text"])
    ]
    return Labels(ids, torch.tensor(table["unsafe"], dtype=torch.float32), torch.tensor(table["weight"]))
