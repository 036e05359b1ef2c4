"""The training loop: packed batches, gradient accumulation, a chunked loss, measurements, checkpoints by the clock.

Letters: b sequences, t tokens of one, d width.
"""

import json
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import nn

from rumpun.engines.hf_load import device_of
from rumpun.errors import InputError
from rumpun.layer.added_rows import EMBEDDING_ROWS, OUTPUT_ROWS, add_rows
from rumpun.layer.attention import register
from rumpun.layer.batches import Batches, Plan
from rumpun.layer.checkpoint import load_state, read_more, read_words, save_state
from rumpun.layer.cost import CHUNK_TOKENS, PASS_TOKENS
from rumpun.layer.live import View
from rumpun.layer.loss import summed_loss
from rumpun.layer.lowrank import LowRankEmbedding, LowRankLinear, attach, low_rank_parts
from rumpun.layer.machines import computes_bfloat16
from rumpun.layer.own_part import is_shared, whole
from rumpun.layer.params import KEPT_STATE, RunParams, TrainParams
from rumpun.layer.schedule import learning_rate, stable_steps
from rumpun.steps import Progress
from rumpun.weights.families.hyper import text_family

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from rumpun.layer.group import Group
    from rumpun.layer.watch import Watch

__all__ = [
    "Device", "OneStep", "Run", "Trained", "find_device", "learning_rate", "make_ready", "open_model", "prepare", "train_steps",
]  # fmt: skip


class Kept(Protocol):
    """What is formed of trained numbers, and used until they change."""

    def refresh(self) -> None:
        """Form it again."""
        ...


@dataclass(frozen=True, slots=True)
class Device:
    """Where the run computes, and in which precision."""

    place: torch.device
    dtype: torch.dtype
    micro_tokens: int  # of one pass
    chunk_tokens: int  # whose logits are held at once

    @property
    def words(self) -> str:
        """For a card: "NVIDIA H100" or "cpu, 2 threads"."""
        if self.place.type == "cuda":
            return torch.cuda.get_device_name(self.place)
        return f"{self.place.type}, {torch.get_num_threads()} threads"


def find_device(params: RunParams) -> Device:
    """RUMPUN_DEVICE, or a GPU where there is one, or the processor, with a precision and sizes that suit it.

    Raises:
        EnvironmentFault: the device named is not there.
    """
    place = device_of(None)
    gpu = place.type == "cuda"
    low = params.precision == "bfloat16" or (params.precision == "auto" and (gpu or computes_bfloat16()))
    kind = "cuda" if gpu else "cpu"
    micro = params.micro_tokens or PASS_TOKENS[kind]
    return Device(place, torch.bfloat16 if low else torch.float32, micro, CHUNK_TOKENS[kind])


@dataclass(frozen=True, slots=True)
class Run:
    """A model made ready, with what is trained in it."""

    decoder: Callable[..., Any]
    table: torch.Tensor  # [vocabulary, d], the output embedding; its last rows are the trained ones
    modules: Mapping[str, Kept]
    parameters: dict[str, nn.Parameter]
    optimizer: torch.optim.AdamW
    device: Device
    architecture: str  # GGUF's name of the family
    targets: tuple[str, ...]  # those of the recipe that the family has
    tied: LowRankEmbedding | None  # also part of the output, where the embedding is tied and trained
    rows: nn.Parameter | None  # [added, d] of the output; all of it where every weight is trained
    group: "Group | None" = None  # the processes that share the run

    def refresh(self) -> None:
        """Form again what is kept of trained numbers, after they changed."""
        for module in self.modules.values():
            module.refresh()
        if self.rows is not None and self.table.data_ptr() != self.rows.data_ptr():
            self.table[len(self.table) - len(self.rows) :].copy_(self.rows.detach())

    def numbers(self) -> dict[str, torch.Tensor]:
        """What is trained, all of it in this process; those that processes share are gathered in the processor's memory."""
        if self.group and any(map(is_shared, self.parameters.values())):
            self.group.gather()
        return {
            name: whole(value) if is_shared(value) else value.detach()
            for name, value in self.parameters.items()
        }

    @torch.no_grad()
    def put(self, numbers: Mapping[str, torch.Tensor]) -> None:
        """Take numbers up again at the end of training; shared ones stand in this process alone from then on."""
        for name, found in numbers.items():
            if is_shared(self.parameters[name]):
                self.parameters[name] = nn.Parameter(found)
            else:
                self.parameters[name].copy_(found)


def prepare(
    folder: Path,
    params: TrainParams,
    device: Device,
    seed: int,
    rows: "Mapping[str, npt.NDArray[np.floating]] | None" = None,
    *,
    group: "Group | None" = None,
) -> Run:
    """Load the base from a transformers folder and put the low-rank modules and the added rows in place.

    Raises:
        InputError: the base is of an architecture that layers cannot be written for, its context is too short, the rows
            are not for it, or nothing is trained.
        UsageError: a target is named that the base's family has not.
    """
    family = text_family(folder)
    targets = family.usual_or(params.targets)
    model = open_model(folder, params, device)
    tied = bool(model.config.tie_word_embeddings)
    modules = attach(
        model, targets=targets, rank=params.rank, scale=params.scale,
        embeddings_rank=params.embeddings_rank, seed=seed, dtype=device.dtype,
    )  # fmt: skip
    table = model.get_output_embeddings().weight.detach()
    _freeze(model, device.dtype)
    added = add_rows(model, rows, len(table), tied=tied) if rows else {}
    output = added.get(EMBEDDING_ROWS if tied else OUTPUT_ROWS)
    if output is not None:
        table = torch.cat([table, output.detach().to(table.dtype)])
    if group:
        group.shard(model, modules.values())
    model.to(device.place)
    make_ready(model, params)
    parameters = dict(low_rank_parts(modules)) | added
    if OUTPUT_ROWS in added:  # no module of the decoder owns them
        added[OUTPUT_ROWS].data = added[OUTPUT_ROWS].data.to(device.place)
    optimizer = _optimizer(parameters, params)
    embedding = next((m for m in modules.values() if isinstance(m, LowRankEmbedding)), None)
    return Run(
        decoder=group.reads(model.model, parameters, optimizer) if group else model.model, table=table.to(device.place, device.dtype), modules=modules, parameters=parameters,
        optimizer=optimizer, device=device, architecture=family.architecture, targets=targets, tied=embedding if tied else None,
        rows=output, group=group,
    )  # fmt: skip


def open_model(folder: Path, params: RunParams, device: Device) -> Any:
    """The transformers model of a folder in float32, in the processor's memory, with attention that suits the device.

    Raises:
        InputError: its context is too short for the run's sequences.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(folder)
    if params.sequence_tokens > config.max_position_embeddings:
        raise InputError(
            f"sequence_tokens = {params.sequence_tokens}, the base's context is {config.max_position_embeddings}",
            "lower it in the recipe",
        )
    attention = register() if device.place.type == "cpu" else "sdpa"
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation=attention)


def make_ready(model: Any, params: RunParams) -> None:
    """Set it to train, with checkpointing and compiled blocks where they are asked for."""
    model.train()
    if params.gradient_checkpointing:
        model.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
    if os.environ.get("RUMPUN_COMPILE"):  # one block is compiled and serves for all
        for block in model.model.layers:
            block.compile(dynamic=False)


def _freeze(model: nn.Module, dtype: torch.dtype) -> None:
    """Frozen numbers in the computing precision; sums and trained numbers stay as they are."""
    for part in model.modules():
        if not isinstance(part, LowRankLinear):
            for owned in part.parameters(recurse=False):
                if not owned.requires_grad:
                    owned.data = owned.data.to(dtype)
        if isinstance(part, LowRankEmbedding):
            part.weight = part.weight.to(dtype)


def _optimizer(parameters: Mapping[str, nn.Parameter], params: TrainParams) -> torch.optim.AdamW:
    """Products at the learning rate, rows at their own and without decay, which would draw them to the origin."""
    rows = [value for name, value in parameters.items() if name.endswith(".rows")]
    products = [value for name, value in parameters.items() if not name.endswith(".rows")]
    groups = [
        {"params": products, "peak": params.learning_rate, "weight_decay": params.weight_decay},
        {"params": rows, "peak": params.embeddings_learning_rate, "weight_decay": 0.0},
    ]
    if not rows and not products:
        raise InputError(
            "nothing to train: no targets, no embeddings_rank, no added rows",
            "name targets, or a layer with new vocabulary among the inputs",
        )
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=params.learning_rate, betas=(0.9, params.beta2),
        fused=True,
    )  # fmt: skip


def one_step(
    run: Run, tokens: torch.Tensor, targets: torch.Tensor, clip: float, positions: torch.Tensor | None = None
) -> torch.Tensor:
    """Forward, backward and update on one batch [b, t]; returns each token's loss [b, t] in nats.

    `positions` [b, t] restart where a document begins, and then no token sees another document's.
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
        where = None if positions is None else positions[start : start + rows].to(device.place)
        hidden = run.decoder(input_ids=part, position_ids=where, use_cache=False).last_hidden_state
        low = (run.tied.a, run.tied.b, run.tied.scale) if run.tied is not None else None
        summed, each = summed_loss(
            hidden.flatten(0, 1), run.table, targets[start : start + rows].to(device.place).flatten(),
            low_rank=low, rows=run.rows, chunk=device.chunk_tokens,
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


OneStep = Callable[[Run, torch.Tensor, torch.Tensor, float, torch.Tensor | None], torch.Tensor]


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of a run."""

    losses: torch.Tensor  # [steps, sources, 2] of (nats, learnt tokens), of the steps that were made
    stopped: str  # why before the plan's end; empty: it was not


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
        self.keeps = isinstance(params, TrainParams) and params.keep_state
        if self.step < self.level:
            (scratch / KEPT_STATE).unlink(missing_ok=True)  # of steps that a kill undid
        self.view = View(batches.names, plan.steps)
        for row in self.losses[: self.step].tolist():
            self.view.saw(row)
        self.per_step = params.batch_sequences * params.sequence_tokens
        self.saved = self.started = time.monotonic()

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
        return Trained(self.losses[: self.step], self.stopped)

    def advance(self) -> None:
        """One step, its losses by source put into their row."""
        tokens, targets, which = (torch.from_numpy(array) for array in self.batches.batch(self.step))
        found = self.batches.positions(self.step)
        for group in self.run.optimizer.param_groups:
            rate = learning_rate(self.step, self.steps, self.params)
            group["lr"] = rate * (group["peak"] / self.params.learning_rate)
        positions = None if found is None else torch.from_numpy(found)
        each = self.one(self.run, tokens, targets, self.params.gradient_clip, positions)
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
