"""The training loop: packed batches, gradient accumulation, a chunked loss, measurements, checkpoints by the clock.

Letters: b sequences, t tokens of one.
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from rumpun.errors import InputError
from rumpun.layer.batches import Batches, Plan
from rumpun.layer.checkpoint import load_state, read_more, read_words, save_state
from rumpun.layer.live import View
from rumpun.layer.loss import summed_loss
from rumpun.layer.memory import SECONDS, give_back
from rumpun.layer.params import KEPT_STATE, RunParams, TrainParams
from rumpun.layer.prepared import Run
from rumpun.layer.schedule import learning_rate, stable_steps
from rumpun.layer.source import CHAT
from rumpun.steps import Progress

if TYPE_CHECKING:
    from rumpun.layer.watch import Watch

__all__ = ["OneStep", "Trained", "one_step", "train_steps"]


def one_step(  # noqa: PLR0917  # as `OneStep`, whose parameters have no names
    run: Run, tokens: torch.Tensor, targets: torch.Tensor, clip: float, positions: torch.Tensor | None = None,
    recalled: torch.Tensor | None = None,
) -> torch.Tensor:  # fmt: skip
    """Forward, backward and update on one batch [b, t]; returns each token's loss [b, t] in nats.

    `positions` [b, t] restart where a document begins, and then no token sees another document's. `recalled` [b] marks
    sequences that the run's base is asked of.
    """
    device = run.device
    learnt = int((targets >= 0).sum())
    if run.group:
        learnt = run.group.total(learnt)
    rows = max(1, device.micro_tokens // tokens.shape[1])
    run.refresh()
    losses = []
    for start in range(0, len(tokens), rows):
        part = tokens[start : start + rows].to(device.place, non_blocking=True)
        aims = targets[start : start + rows].to(device.place)
        where = None if positions is None else positions[start : start + rows].to(device.place)
        hidden = run.decoder(input_ids=part, position_ids=where, use_cache=False).last_hidden_state
        low = (run.tied.a, run.tied.b, run.tied.scale) if run.tied is not None else None
        said = None
        if run.recall and recalled is not None:
            said = run.recall.says(part, aims, where, recalled[start : start + rows].to(device.place))
        summed, each = summed_loss(
            hidden.flatten(0, 1), run.table, aims.flatten(),
            low_rank=low, rows=run.rows, chunk=device.chunk_tokens, recalled=said,
        )  # fmt: skip
        (summed / max(1, learnt)).backward()  # type: ignore[no-untyped-call]
        losses.append(each.view(part.shape))
    if run.group:
        run.group.add_up()
    if clip and run.group:
        run.group.clip(clip)
    elif clip:
        nn.utils.clip_grad_norm_(run.parameters.values(), clip)
    run.optimizer.step()
    run.optimizer.zero_grad(set_to_none=True)
    return torch.cat(losses)


OneStep = Callable[
    [Run, torch.Tensor, torch.Tensor, float, torch.Tensor | None, torch.Tensor | None], torch.Tensor
]


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of a run."""

    losses: torch.Tensor  # [steps, sources, 2] of (nats, learnt tokens), of the steps that were made
    stopped: str  # why before the plan's end; empty: it was not
    before: float  # seconds that processes spent which were killed, up to what they saved


def train_steps(
    run: Run, batches: Batches, plan: Plan, params: RunParams, scratch: Path, *, one: OneStep | None = None,
    watch: "Watch | None" = None, progress: Progress,
) -> Trained:  # fmt: skip
    """Train from the last checkpoint to the end, or until the watch or the clock stops it.

    Raises:
        InputError: the loss is no number any more.
        EnvironmentFault: a checkpoint could not be written.
    """
    return _Loop(
        run, batches, plan, params, scratch, one=one or one_step, watch=watch, progress=progress
    ).go()


class _Loop:
    """A run on its way: how far it is, and what is written when."""

    def __init__(
        self, run: Run, batches: Batches, plan: Plan, params: RunParams, scratch: Path, *, one: OneStep,
        watch: "Watch | None", progress: Progress,
    ) -> None:  # fmt: skip
        self.run, self.batches, self.params, self.scratch = run, batches, params, scratch
        self.one, self.watch, self.progress, self.steps = one, watch, progress, plan.steps
        self.losses = torch.zeros(plan.steps, len(batches.names), 2, dtype=torch.float64)
        self.begin = self.step = load_state(scratch, run.parameters, run.optimizer, self.losses)
        words = read_words(scratch)
        self.spent, self.stopped = float(words.get("seconds", 0)), words.get("stopped", "")
        if watch and "watch" in words:
            watch.take_up(words["watch"], read_more(scratch))
        self.level = stable_steps(plan.steps, params)
        self.replayed = torch.tensor(
            [name in params.replay.languages and name != CHAT for name in batches.names]
        )
        self.keeps = isinstance(params, TrainParams) and params.keep_state
        if self.step < self.level:
            (scratch / KEPT_STATE).unlink(missing_ok=True)  # of steps that a kill undid
        self.view = View(batches.names, plan.steps)
        for row in self.losses[: self.step].tolist():
            self.view.saw(row)
        self.per_step = params.batch_sequences * params.sequence_tokens
        self.saved = self.given_back = self.started = time.monotonic()

    def go(self) -> Trained:
        if self.watch and self.watch.step < 0:
            self.measure(0.0)
        while self.step < self.steps and not self.stopped:
            self.advance()
            self.after_step(time.monotonic())
        seconds = self.spent + time.monotonic() - self.started
        if self.watch and self.watch.step != self.step:
            self.measure(seconds)
        if self.keeps and not (self.scratch / KEPT_STATE).is_file():
            self.keep_state()
        self.save(seconds)
        return Trained(self.losses[: self.step], self.stopped, self.spent)

    def advance(self) -> None:
        """One step, its losses by source put into their row."""
        tokens, targets, which = (torch.from_numpy(array) for array in self.batches.batch(self.step))
        found = self.batches.positions(self.step)
        for group in self.run.optimizer.param_groups:
            rate = learning_rate(self.step, self.steps, self.params)
            group["lr"] = rate * (group["peak"] / self.params.learning_rate)
        positions = None if found is None else torch.from_numpy(found)
        recalled = self.replayed[which] if self.run.recall else None
        each = self.one(self.run, tokens, targets, self.params.gradient_clip, positions, recalled)
        by_row = torch.stack([each.sum(1).double().cpu(), (targets >= 0).sum(1).double()], 1)
        row = self.losses[self.step].zero_()
        row.index_add_(0, which, by_row)
        nats = float(row[:, 0].sum())
        if not math.isfinite(nats):
            raise InputError(
                f"step {self.step + 1} of {self.steps}: the loss is {nats}",
                f"lower learning_rate = {self.params.learning_rate}",
            )
        self.step += 1

    def after_step(self, now: float) -> None:
        """Tell of the step; measure, stop and save where it is time to."""
        row, params = self.losses[self.step - 1], self.params
        if now - self.given_back > SECONDS:
            give_back()
            self.given_back = now
        self.view.saw(row.tolist())
        nats, count = row.sum(0).tolist()
        rate = (self.step - self.begin) * self.per_step / max(1e-9, now - self.started)
        left = (self.steps - self.step) * self.per_step
        self.tell(self.view.note(nats / max(1, count), self.step, rate, left))
        seconds = self.spent + now - self.started
        if self.keeps and self.step == self.level:
            self.keep_state()
        measured = self.watch is not None and self.watch.due(self.step, seconds)
        if self.watch and measured:
            self.measure(seconds)
            self.stopped = self.watch.stopped()
        if params.minutes_max and seconds >= 60 * params.minutes_max and not self.stopped:
            self.stopped = f"minutes_max = {params.minutes_max:g}, after {seconds / 60:.1f} minutes"
        if self.step == self.steps:
            self.stopped = ""
        elif measured or self.stopped or now - self.saved > params.checkpoint_seconds:
            self.save(seconds)
            self.saved = time.monotonic()

    def tell(self, note: str) -> None:
        self.progress(self.step * self.per_step, self.steps * self.per_step, note)

    def measure(self, seconds: float) -> None:
        if self.watch:
            self.tell("measuring on held-out text")
            tokens = self.step * self.per_step
            self.view.measured(self.watch.measure(self.run, self.step, tokens, seconds))

    def save(self, seconds: float) -> None:
        words = {"seconds": repr(seconds), "stopped": self.stopped}
        if self.watch:
            words["watch"] = self.watch.words()
        self.gather()
        save_state(
            self.scratch, self.step, self.run.parameters, self.run.optimizer, self.losses, words=words,
            more=self.watch.best if self.watch else None,
        )  # fmt: skip

    def keep_state(self) -> None:
        """Write the numbers, the optimiser's and the place in the text, for a run that goes on from here."""
        self.gather()
        save_state(
            self.scratch, self.step, self.run.parameters, self.run.optimizer, torch.zeros(0),
            words={"taken": json.dumps(self.batches.taken(self.step))}, file=KEPT_STATE,
        )  # fmt: skip

    def gather(self) -> None:
        if self.run.group:
            self.run.group.gather(states=True)
