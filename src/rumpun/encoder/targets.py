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


class Targets:
    """Vectors of `english`, by place; float16 on disk under `folder`, which a resumed run finds again."""

    def __init__(self, teacher: "Teacher", english: Sequence[str], folder: Path) -> None:
        import torch

        folder.mkdir(parents=True, exist_ok=True)
        self.teacher, self.english = teacher, english
        shape = (len(english), teacher.model.width)
        path, marks = folder / "vectors.f16", folder / "known.u8"
        mode: Any = "r+" if path.exists() and path.stat().st_size == 2 * shape[0] * shape[1] else "w+"
        self._kept = np.memmap(path, np.float16, mode, shape=shape)
        self._known = np.memmap(marks, np.uint8, mode if marks.exists() else "w+", shape=(len(english),))
        # what this run asked for: `others` draws from it, however much a run that was cut off had made ahead
        self.drawn = torch.zeros(len(english), dtype=torch.bool)

    def need(self, places: Iterable[int], progress: Progress = quiet) -> None:
        """Make the vectors of these places that are not there yet; `others` may draw them from now on."""
        wanted = sorted(set(places))
        missing = [p for p in wanted if not self._known[p]]
        for start in range(0, len(missing), 4096):
            part = missing[start : start + 4096]
            self._kept[part] = self.teacher.vectors([self.english[p] for p in part], progress)
            self._kept.flush()
            self._known[part] = 1
        self.drawn[wanted] = True
        self._at = self.drawn.nonzero().squeeze(1)
        self._bank = self.vectors(self._at)

    def vectors(self, places: "torch.Tensor") -> "torch.Tensor":
        """Unit vectors [places, width] of what `need` was told of."""
        import torch

        return torch.from_numpy(np.asarray(self._kept[places.numpy()], np.float32))

    def others(self, most: int, without: "torch.Tensor", generator: "torch.Generator") -> "torch.Tensor":
        """Vectors of up to `most` other sentences, drawn anew."""
        import torch

        drawn = self._at[torch.randint(len(self._at), (most,), generator=generator)]
        return self.vectors(drawn[~torch.isin(drawn, without)])

    def near(self, own: "torch.Tensor", each: int, alike: float) -> "torch.Tensor":
        """Vectors of the `each` sentences nearest to each of `own` in the teacher's space, without repetition.

        A sentence whose cosine with one of `own` is above `alike` says much the same, and is not held against it.
        """
        import torch

        likeness = self.vectors(own) @ self._bank.T
        likeness[likeness > alike] = -1.0
        found = torch.unique(likeness.topk(min(each, len(self._at)), dim=1).indices)
        return self._bank[found[~torch.isin(self._at[found], own)]]
