"""Training on pairs: what the start thinks of them, kept on disk, and the loop, which goes on where it was cut off.

The order of pairs is a function of the seed and the step alone. Letters: p pairs, t tokens.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from rumpun.errors import InputError
from rumpun.layer.checkpoint import load_state, save_state
from rumpun.layer.logits import token_logprobs
from rumpun.layer.prefer.losses import preference_loss
from rumpun.layer.prefer.rules import draw
from rumpun.layer.prefer.tokens import Pair
from rumpun.layer.prepared import Run
from rumpun.layer.schedule import learning_rate

if TYPE_CHECKING:
    from rumpun.layer.params import TrainParams
    from rumpun.layer.prefer.params import PreferParams
    from rumpun.steps import Progress

__all__ = ["FIGURES", "Training", "answer_logprobs", "answer_tokens", "scores", "steps_of", "train_pairs"]

FIGURES = ("loss", "right", "margin", "chosen", "rejected", "pairs")  # sums over a step's pairs


def answer_logprobs(run: Run, pairs: Sequence[Pair]) -> torch.Tensor:
    """Summed log-probability [p, 2] in nats of each pair's chosen and rejected answer, with gradients."""
    sides = [side for pair in pairs for side in (pair.chosen, pair.rejected)]
    tokens = np.zeros((len(sides), max(len(side.ids) for side in sides)), dtype=np.int64)
    for line, side in enumerate(sides):
        tokens[line, : len(side.ids)] = (
            side.ids
        )  # what stands behind an answer does not reach it: attention is causal
    place = run.device.place
    given = torch.from_numpy(tokens).to(place)
    hidden = run.decoder(input_ids=given, use_cache=False).last_hidden_state
    lines = torch.tensor([n for n, side in enumerate(sides) for _ in range(side.answer_tokens)], device=place)
    columns = torch.tensor([at for side in sides for at in range(side.begin, len(side.ids))], device=place)
    each = token_logprobs(
        run, hidden[lines, columns - 1], given[lines, columns], chunk=run.device.chunk_tokens
    )
    return torch.zeros(len(sides), device=place).index_add(0, lines, each).view(-1, 2)


def answer_tokens(pairs: Sequence[Pair]) -> torch.Tensor:
    """Tokens [p, 2] of the answers."""
    counts = [(pair.chosen.answer_tokens, pair.rejected.answer_tokens) for pair in pairs]
    return torch.tensor(counts, dtype=torch.float32)


def _passes(pairs: Sequence[Pair], which: Sequence[int], micro_tokens: int) -> Iterator[list[int]]:
    """`which` in groups whose padded tokens fit one pass; a longer pair goes alone."""
    group: list[int] = []
    width = 0
    for number in which:
        wider = max(width, pairs[number].width)
        if group and 2 * wider * (len(group) + 1) > micro_tokens:
            yield group
            group, wider = [], pairs[number].width
        group.append(number)
        width = wider
    if group:
        yield group


def scores(
    run: Run, pairs: Sequence[Pair], *, keep: Path | None = None, every_seconds: float = 60, progress: "Progress"
) -> torch.Tensor:  # fmt: skip
    """`answer_logprobs` [p, 2] of all pairs without gradients, in float32 on the processor.

    Args:
        run: refreshed.
        pairs: to score.
        keep: a file to write the scores to as they come and to go on from.
        every_seconds: between two writes.
        progress: told how many are done.
    """
    from safetensors.torch import load_file, save_file

    found = torch.full((len(pairs), 2), math.nan)
    if keep is not None and keep.is_file():
        found = load_file(keep)["scores"]
    order = sorted(range(len(pairs)), key=lambda number: (pairs[number].width, number))  # little padding
    saved = time.monotonic()
    done = 0

    def save() -> None:
        if keep is not None:
            making = keep.with_name(f".{keep.name}")
            save_file({"scores": found}, making)
            making.replace(keep)

    with torch.no_grad():
        for group in _passes(pairs, order, run.device.micro_tokens):
            done += len(group)
            if not found[group].isnan().any():
                continue
            found[group] = answer_logprobs(run, [pairs[number] for number in group]).cpu()
            progress(done, len(pairs), "pairs scored")
            if time.monotonic() - saved > every_seconds:
                save()
                saved = time.monotonic()
    save()
    return found


def steps_of(pairs: int, params: "PreferParams") -> int:
    """Optimiser steps of a run."""
    return int(params.epochs * pairs / params.batch_pairs)


@dataclass(frozen=True, slots=True)
class Training:
    """What the loop is given."""

    pairs: Sequence[Pair]
    reference: torch.Tensor  # [p, 2]
    params: "PreferParams"
    shape: "TrainParams"
    seed: int

    def batch(self, step: int) -> list[int]:
        """The pairs of a step: a new order in each pass."""
        size, count = self.params.batch_pairs, len(self.pairs)
        places = range(step * size, (step + 1) * size)
        return [int(self._order(place // count)[place % count]) for place in places]

    def _order(self, epoch: int) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        return np.random.default_rng(draw(self.seed, "pairs", epoch)).permutation(len(self.pairs))


def train_pairs(run: Run, training: Training, scratch: Path, *, progress: "Progress") -> torch.Tensor:
    """Train from the last checkpoint to the end; returns the sums [steps, figures] of each step's pairs.

    Raises:
        InputError: the loss is no number any more.
    """
    params, pairs = training.params, training.pairs
    steps = steps_of(len(pairs), params)
    figures = torch.zeros(steps, len(FIGURES), dtype=torch.float64)
    begin = load_state(scratch, run.parameters, run.optimizer, figures)
    saved = time.monotonic()
    for step in range(begin, steps):
        for group in run.optimizer.param_groups:
            group["lr"] = learning_rate(step, steps, training.shape) * (group["peak"] / params.learning_rate)
        figures[step] = _one_step(run, training, training.batch(step))
        loss, right, margin, *_ = (figures[step] / figures[step, -1]).tolist()
        if not math.isfinite(loss):
            raise InputError(
                f"step {step + 1} of {steps}: the loss is {loss}",
                f"lower learning_rate = {params.learning_rate}",
            )
        progress(step + 1, steps, f"loss {loss:.3f}, {right:.0%} right, margin {margin:.2f}")
        if time.monotonic() - saved > params.checkpoint_seconds and step + 1 < steps:
            save_state(scratch, step + 1, run.parameters, run.optimizer, figures)
            saved = time.monotonic()
    save_state(scratch, steps, run.parameters, run.optimizer, figures)
    with torch.no_grad():
        run.refresh()
    return figures


def _one_step(run: Run, training: Training, which: list[int]) -> torch.Tensor:
    """Forward, backward and update on one batch; returns the sums of `FIGURES`."""
    run.refresh()
    sums = torch.zeros(len(FIGURES), dtype=torch.float64)
    for group in _passes(training.pairs, which, run.device.micro_tokens):
        pairs = [training.pairs[number] for number in group]
        policy = answer_logprobs(run, pairs)
        reference, tokens = (
            training.reference[group].to(policy.device),
            answer_tokens(pairs).to(policy.device),
        )
        loss, margin = preference_loss(training.params, policy, reference, tokens)
        (loss.sum() / len(which)).backward()  # type: ignore[no-untyped-call]
        said = policy.detach()
        columns = (
            loss.detach(),
            (margin > 0).float(),
            margin.detach(),
            said[:, 0],
            said[:, 1],
            torch.ones_like(margin),
        )
        sums += torch.stack([column.sum() for column in columns]).double().cpu()
    if training.params.gradient_clip:
        nn.utils.clip_grad_norm_(run.parameters.values(), training.params.gradient_clip)
    run.optimizer.step()
    run.optimizer.zero_grad(set_to_none=True)
    return sums
