"""Log-probabilities by transformers: texts that begin alike stand in one row as a tree, what they share computed once.

A row holds the tokens of several windows. A token sees those before it on its own window's path and no others, at the
position that it has there (the tree attention of Miao et al., SpecInfer, 2024), so its figures are those of the window
alone. Where a model cannot be shown such a row (recurrent layers, masks of its own), every window has its own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rumpun.engines.windows import Window, Work, packed_groups
from rumpun.errors import EnvironmentFault

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

__all__ = ["Scorer"]

_ROW_TOKENS: Final = 512  # of one tree beyond what all of it shares: attention costs the square of a row
_ROW_WINDOWS: Final = 256
# of one forward pass, padding included: more gain nothing on a CPU; 32 times as many on a GPU
_BATCH_TOKENS: Final = 512
_LOGIT_BYTES_MAX: Final = 16 << 20  # of a slice of logits in float32; 32 times as many on a GPU
_FULL: Final = ("full_attention", "sliding_attention", "chunked_attention")  # layers that keep to a mask
# the share of its states by which a tree may differ, as kernels round
_ALIKE_FLOAT32: Final = 1e-3
_ALIKE_BFLOAT16: Final = 0.1


@dataclass(frozen=True, slots=True)
class _Row:
    """Windows in one row of a batch."""

    works: tuple[Work, ...]
    tokens: "npt.NDArray[np.int64]"  # [length]
    positions: "npt.NDArray[np.int64]"  # [length], of each token in its window
    paths: "tuple[npt.NDArray[np.int64], ...]"  # places of each window's tokens in the row


class Scorer:
    """Nats of windows under one model; safe to call from many threads.

    Args:
        model: a causal model of transformers.
        device: that it lies on.
        trial: three texts or more in tokens, two of which begin alike: what trees are tried with.
    """

    def __init__(self, model: Any, device: "torch.device", trial: Sequence[Sequence[int]]) -> None:
        self._model, self._device, self._trial = model, device, trial
        times = 1 if device.type == "cpu" else 32
        self._batch_tokens = _BATCH_TOKENS * times
        self._head = _Head(model, _LOGIT_BYTES_MAX * times)
        self._path_max = _path_tokens(model.config)
        self._tried = False

    def nats(self, todo: Sequence[Work], count: int) -> list[float]:
        """Sums of the windows of each of `count` texts.

        Raises:
            EnvironmentFault: the device's memory is too small for a batch.
        """
        import torch

        try:
            return self._nats(todo, count)
        except torch.OutOfMemoryError as error:
            raise EnvironmentFault(
                f"{self._device}: too little memory to score", "free memory, or score shorter texts"
            ) from error

    def _nats(self, todo: Sequence[Work], count: int) -> list[float]:
        if not self._tried:
            self._path_max = self._path_max if self._grows_trees() else 0
            self._tried = True
        sums = [0.0] * count
        for batch in _batches(_rows(todo, self._path_max), self._batch_tokens):
            for (number, _, _), nats in self._run(batch):
                sums[number] += nats
        return sums

    def _run(self, batch: Sequence[_Row]) -> Iterator[tuple[Work, float]]:
        """Each window of a batch with its nats."""
        import numpy as np
        import torch

        states: list[tuple[int, int]] = []  # (row, place) of each that something is predicted from
        at: dict[tuple[int, int], int] = {}
        places: list[int] = []
        targets: list[int] = []
        works: list[Work] = []
        ends: list[int] = []
        for number, row in enumerate(batch):
            for work, path in zip(row.works, row.paths, strict=True):
                _, tokens, w = work
                for token in range(w.first, w.stop):
                    key = (number, int(path[token - 1 - w.start]))
                    if key not in at:
                        at[key] = len(states)
                        states.append(key)
                    places.append(at[key])
                    targets.append(tokens[token])
                works.append(work)
                ends.append(len(targets))
        hidden = self._hidden(batch)
        picked = torch.tensor(states, device=self._device)
        with torch.inference_mode():
            nats = self._head.nats(hidden[picked[:, 0], picked[:, 1]], np.array(places), np.array(targets))
        begin = 0
        for work, end in zip(works, ends, strict=True):
            yield work, float(nats[begin:end].sum())
            begin = end

    def _hidden(self, batch: Sequence[_Row]) -> "torch.Tensor":
        """Last hidden states, [rows, longest, width]; what stands past a row's end is nothing."""
        import torch

        longest = max(len(row.tokens) for row in batch)
        ids = torch.zeros((len(batch), longest), dtype=torch.long)
        for number, row in enumerate(batch):
            ids[number, : len(row.tokens)] = torch.from_numpy(row.tokens)
        shown: dict[str, Any] = {}
        if any(len(row.works) > 1 for row in batch):
            shown = self._trees(batch, longest)
        elif any(len(row.tokens) < longest for row in batch):
            mask = torch.zeros_like(ids)
            for number, row in enumerate(batch):
                mask[number, : len(row.tokens)] = 1
            shown = {"attention_mask": mask.to(self._device)}
        with torch.inference_mode():
            out = self._model.base_model(input_ids=ids.to(self._device), use_cache=False, **shown)
        states: torch.Tensor = out.last_hidden_state
        return states

    def _trees(self, batch: Sequence[_Row], longest: int) -> dict[str, "torch.Tensor"]:
        """Positions [rows, longest], and which token sees which: [rows, 1, longest, longest]."""
        import torch

        positions = torch.zeros((len(batch), longest), dtype=torch.long)
        member = torch.zeros((len(batch), max(len(row.works) for row in batch), longest), dtype=torch.bool)
        owner = torch.zeros((len(batch), longest), dtype=torch.long)  # a window on whose path the token lies
        for number, row in enumerate(batch):
            positions[number, : len(row.tokens)] = torch.from_numpy(row.positions)
            for which, path in enumerate(row.paths):
                places = torch.from_numpy(path)
                member[number, which, places] = True
                owner[number, places] = which
        positions, member, owner = (each.to(self._device) for each in (positions, member, owner))
        numbers = torch.arange(len(batch), device=self._device)[:, None]
        sees = member[numbers, owner] & (positions[:, None, :] <= positions[:, :, None])
        # what sees nothing would be no number, and no number would reach all
        sees |= torch.eye(longest, dtype=torch.bool, device=self._device)
        dtype = self._model.dtype  # not every attention takes a mask of yes and no: some add it
        mask = torch.zeros_like(sees, dtype=dtype).masked_fill_(~sees, torch.finfo(dtype).min)
        return {"attention_mask": mask[:, None], "position_ids": positions}

    def _grows_trees(self) -> bool:
        """Whether the model computes in a tree what it computes of each text alone."""
        import torch

        if not self._path_max:
            return False
        texts = [list(text[: self._path_max + 1]) for text in self._trial]
        todo = [(number, text, Window(0, len(text), 1)) for number, text in enumerate(texts)]
        (tree,) = _rows(todo, 1 << 30)
        alike = _ALIKE_FLOAT32 if self._model.dtype == torch.float32 else _ALIKE_BFLOAT16
        alone = {one.works[0][0]: one for one in _rows(todo, 0)}
        try:
            together = self._hidden([tree])[0]
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, ValueError, TypeError, LookupError):  # of a mask that it does not know
            return False
        for (number, _, _), path in zip(tree.works, tree.paths, strict=True):
            mine = together[torch.from_numpy(path)][1:].float()
            its = self._hidden([alone[number]])[0, 1:].float()
            if not (mine - its).norm() <= alike * its.norm():
                return False
        return True


def _path_tokens(config: Any) -> int:
    """The longest window that may stand in a tree: past a layer's own reach the mask would have to say more; 0: none."""
    if any(kind not in _FULL for kind in getattr(config, "layer_types", None) or ()):
        return 0
    reaches = (getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size"))
    return min((reach for reach in reaches if isinstance(reach, int) and reach > 0), default=1 << 30)


def _rows(todo: Sequence[Work], path_max: int) -> Iterator[_Row]:
    """Windows in rows, trees where they may stand in one."""
    import numpy as np

    fits = [work for work in todo if work[2].stop - work[2].start - 1 <= path_max]
    alone = [work for work in todo if work[2].stop - work[2].start - 1 > path_max]
    for group in (*packed_groups(fits, _ROW_TOKENS, _ROW_WINDOWS), *([(work, 0)] for work in alone)):
        tokens: list[int] = []
        positions: list[npt.NDArray[np.int64]] = []
        paths: list[npt.NDArray[np.int64]] = []
        for (_, all_tokens, w), shared in group:
            fresh = all_tokens[w.start + shared : w.stop - 1]
            own = np.arange(len(tokens), len(tokens) + len(fresh))
            paths.append(np.concatenate([paths[-1][:shared], own]) if shared else own)
            positions.append(np.arange(shared, shared + len(fresh)))
            tokens += fresh
        yield _Row(tuple(w for w, _ in group), np.array(tokens), np.concatenate(positions), tuple(paths))


def _batches(rows: Iterator[_Row], tokens_max: int) -> Iterator[list[_Row]]:
    """Rows that fill one batch padded to the longest of them, trees apart from single windows; the shortest first."""
    batch: list[_Row] = []
    for row in sorted(rows, key=lambda row: (len(row.works) > 1, len(row.tokens))):
        mixed = batch and (len(batch[0].works) > 1) != (len(row.works) > 1)
        if batch and (mixed or (len(batch) + 1) * len(row.tokens) > tokens_max):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


class _Head:
    """From hidden states to log-probabilities, a slice of rows at a time: the whole matrix of logits never exists."""

    def __init__(self, model: Any, bytes_max: int) -> None:
        self._weights = model.get_output_embeddings()
        config = model.config
        self._softcap = getattr(config, "final_logit_softcapping", None)
        self._scale = float(getattr(config, "logit_scale", 1.0)) / float(
            getattr(config, "logits_scaling", 1.0)
        )
        self.rows = max(bytes_max // (4 * int(config.vocab_size)), 1)

    def nats(
        self, states: "torch.Tensor", places: "npt.NDArray[np.int64]", targets: "npt.NDArray[np.int64]"
    ) -> "npt.NDArray[np.float64]":
        """Log-probability of tokens, [targets], each after its state: one of [n, width], by its place."""
        import numpy as np
        import torch

        found = np.empty(len(targets), np.float64)
        for begin in range(0, len(states), self.rows):
            logits = self._weights(states[begin : begin + self.rows]).float()
            if self._scale != 1:
                logits = logits * self._scale
            if self._softcap:
                logits = torch.tanh(logits / self._softcap) * self._softcap
            mine = (places >= begin) & (places < begin + self.rows)
            rows = torch.from_numpy(places[mine] - begin).to(logits.device)
            picked = logits[rows, torch.from_numpy(targets[mine]).to(logits.device)].double()
            found[mine] = (picked - torch.logsumexp(logits, dim=-1).double()[rows]).cpu().numpy()
        return found
