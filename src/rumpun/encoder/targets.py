"""The teacher's vectors of English sentences, made when they are first needed and kept on disk."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rumpun.steps import Progress, quiet

if TYPE_CHECKING:
    import torch

    from rumpun.encoder.teacher import Teacher

__all__ = ["Targets"]

_PART = 16_384  # sentences whose vectors are made between two writes


class Targets:
    """Vectors of `english`, by place; float16 on disk under `folder`, which a resumed run finds again.

    What it gives lies on the device of the teacher's weights; so do all vectors, where that is a GPU.
    """

    def __init__(self, teacher: "Teacher", english: Sequence[str], folder: Path) -> None:
        import torch

        folder.mkdir(parents=True, exist_ok=True)
        self.teacher, self.english = teacher, english
        self._place = teacher.model.words.weight.device
        shape = (len(english), teacher.model.width)
        path, marks = folder / "vectors.f16", folder / "known.u8"
        mode: Any = "r+" if path.exists() and path.stat().st_size == 2 * shape[0] * shape[1] else "w+"
        self._kept = np.memmap(path, np.float16, mode, shape=shape)
        self._known = np.memmap(marks, np.uint8, mode if marks.exists() else "w+", shape=(len(english),))
        # what this run asked for: `others` draws from it, however much a run that was cut off had made ahead
        self.drawn = torch.zeros(len(english), dtype=torch.bool)
        self._at = torch.zeros(0, dtype=torch.long)
        self._nearest = torch.zeros(0, 0, dtype=torch.long)
        self._asked = 0, 0.0  # of `near`

    def need(self, places: Iterable[int], progress: Progress = quiet) -> None:
        """Make the vectors of these places that are not there yet; `others` may draw them from now on."""
        wanted = sorted(set(places))
        missing = [p for p in wanted if not self._known[p]]
        for start in range(0, len(missing), _PART):
            part = missing[start : start + _PART]
            self._kept[part] = self.teacher.vectors([self.english[p] for p in part], progress)
            self._kept.flush()
            self._known[part] = 1
        self.drawn[wanted] = True
        if len(self._at) == int(self.drawn.sum()):
            return
        self._at = self.drawn.nonzero().squeeze(1)
        self._nearest = self._nearest[:0]
        self._bank = self._read(self._at).to(self._place)
        if self._place.type != "cpu":
            import torch

            self._whole = torch.from_numpy(np.asarray(self._kept)).to(self._place)

    @property
    def complete(self) -> bool:
        """Whether the vectors of all sentences are at hand; those that an earlier process made are not, until `need`."""
        return len(self._at) == len(self.english)

    def _read(self, places: "torch.Tensor") -> "torch.Tensor":
        import torch

        return torch.from_numpy(np.asarray(self._kept[places.numpy()], np.float32))

    def vectors(self, places: "torch.Tensor") -> "torch.Tensor":
        """Unit vectors [places, width] of what `need` was told of."""
        if self._place.type == "cpu":
            return self._read(places)
        return self._whole[places.to(self._place)].float()

    def others(self, most: int, without: "torch.Tensor", generator: "torch.Generator") -> "torch.Tensor":
        """Vectors of up to `most` other sentences, drawn anew."""
        import torch

        drawn = self._at[torch.randint(len(self._at), (most,), generator=generator)]
        return self.vectors(drawn[~torch.isin(drawn, without)])

    def near(self, own: "torch.Tensor", each: int, alike: float) -> "torch.Tensor":
        """Vectors of the `each` sentences nearest to each of `own` in the teacher's space, without repetition.

        A sentence whose cosine with one of `own` is above `alike` says much the same, and is not held against it.
        They are looked up once for as long as nothing new is drawn.
        """
        import torch

        if not len(self._nearest) or self._asked != (each, alike):
            self._asked = each, alike
            self._nearest = torch.full((len(self.english), min(each, len(self._at))), -1)
        if len(missing := own[self._nearest[own, 0] < 0]):
            likeness = self.vectors(missing) @ self._bank.T
            likeness[likeness > alike] = -1.0
            self._nearest[missing] = self._at[likeness.topk(self._nearest.shape[1], dim=1).indices.cpu()]
        found = torch.unique(self._nearest[own])
        return self.vectors(found[~torch.isin(found, own)])
