"""The training loop: packed batches, gradient accumulation, a chunked loss, checkpoints by the clock.

Letters: b sequences, t tokens of one, d width.
"""

import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from rumpun.engines.hf_load import device_of
from rumpun.errors import InputError
from rumpun.layer.added_rows import EMBEDDING_ROWS, OUTPUT_ROWS, add_rows
from rumpun.layer.batches import Batches, Plan
from rumpun.layer.checkpoint import load_state, save_state
from rumpun.layer.loss import summed_loss
from rumpun.layer.lowrank import LowRankEmbedding, LowRankLinear, attach, low_rank_parts
from rumpun.layer.params import TrainParams
from rumpun.steps import Progress
from rumpun.weights.families.hyper import text_family

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["Device", "OneStep", "Run", "find_device", "learning_rate", "prepare", "train_steps"]

Modules = dict[str, LowRankLinear | LowRankEmbedding]


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


def find_device(params: TrainParams) -> Device:
    """RUMPUN_DEVICE, or a GPU where there is one, or the processor, with a precision and sizes that suit it.

    Raises:
        EnvironmentFault: the device named is not there.
    """
    place = device_of(None)
    gpu = place.type == "cuda"
    low = params.precision == "bfloat16" or (params.precision == "auto" and (gpu or _computes_bfloat16()))
    micro = params.micro_tokens or (32_768 if gpu else 512)
    return Device(place, torch.bfloat16 if low else torch.float32, micro, 8_192 if gpu else 512)


def _computes_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 matrices itself; emulation is slower than float32."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="ignore")
    except OSError:
        return False
    return " amx_bf16" in flags or " avx512_bf16" in flags


def learning_rate(step: int, steps: int, params: TrainParams) -> float:
    """Linear up from zero, then a cosine down to `decay_share` of the peak at the last step."""
    warm = max(1, round(params.warmup_share * steps))
    if step < warm:
        return params.learning_rate * (step + 1) / warm
    along = (step - warm) / max(1, steps - 1 - warm)
    low = params.decay_share
    return params.learning_rate * (low + (1 - low) * (1 + math.cos(math.pi * min(1.0, along))) / 2)


@dataclass(frozen=True, slots=True)
class Run:
    """A model made ready, with what is trained in it."""

    decoder: Callable[..., Any]
    table: torch.Tensor  # [vocabulary, d], the output embedding; its last rows are the added tokens'
    modules: Modules
    parameters: dict[str, nn.Parameter]
    optimizer: torch.optim.AdamW
    device: Device
    architecture: str  # GGUF's name of the family
    targets: tuple[str, ...]  # those of the recipe that the family has
    tied: LowRankEmbedding | None  # also part of the output, where the embedding is tied and trained
    rows: nn.Parameter | None  # [added, d] of the output

    def refresh(self) -> None:
        """Form again what is kept of trained numbers, after they changed."""
        for module in self.modules.values():
            module.refresh()
        if self.rows is not None:
            self.table[len(self.table) - len(self.rows) :].copy_(self.rows.detach())


def prepare(
    folder: Path,
    params: TrainParams,
    device: Device,
    seed: int,
    rows: "Mapping[str, npt.NDArray[np.floating]] | None" = None,
) -> Run:
    """Load the base from a transformers folder and put the low-rank modules and the added rows in place.

    Raises:
        InputError: the base is of an architecture that layers cannot be written for, its context is too short, the rows
            are not for it, or nothing is trained.
        UsageError: a target is named that the base's family has not.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    family = text_family(folder)
    targets = family.usual_or(params.targets)
    config = AutoConfig.from_pretrained(folder)
    if params.sequence_tokens > config.max_position_embeddings:
        raise InputError(
            f"sequence_tokens = {params.sequence_tokens}, the base's context is {config.max_position_embeddings}",
            "lower it in the recipe",
        )
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa")
    tied = bool(config.tie_word_embeddings)
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
    model.to(device.place)
    model.train()
    parameters = dict(low_rank_parts(modules)) | added
    if OUTPUT_ROWS in added:  # no module of the decoder owns them
        added[OUTPUT_ROWS].data = added[OUTPUT_ROWS].data.to(device.place)
    optimizer = _optimizer(parameters, params, device)
    embedding = next((m for m in modules.values() if isinstance(m, LowRankEmbedding)), None)
    if os.environ.get("RUMPUN_COMPILE"):  # one block is compiled and serves for all
        for block in model.model.layers:
            block.compile(dynamic=False)
    return Run(
        decoder=model.model, table=table.to(device.place, device.dtype), modules=modules, parameters=parameters,
        optimizer=optimizer, device=device, architecture=family.architecture, targets=targets, tied=embedding if tied else None,
        rows=output,
    )  # fmt: skip


def _freeze(model: nn.Module, dtype: torch.dtype) -> None:
    """Frozen numbers in the computing precision; sums and trained numbers stay as they are."""
    for part in model.modules():
        if not isinstance(part, LowRankLinear):
            for owned in part.parameters(recurse=False):
                if not owned.requires_grad:
                    owned.data = owned.data.to(dtype)
        if isinstance(part, LowRankEmbedding):
            part.weight = part.weight.to(dtype)


def _optimizer(
    parameters: Mapping[str, nn.Parameter], params: TrainParams, device: Device
) -> torch.optim.AdamW:
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
        fused=device.place.type == "cuda",
    )  # fmt: skip


def one_step(run: Run, tokens: torch.Tensor, targets: torch.Tensor, clip: float) -> torch.Tensor:
    """Forward, backward and update on one batch [b, t]; returns each token's loss [b, t] in nats."""
    device = run.device
    learnt = int((targets >= 0).sum())
    rows = max(1, device.micro_tokens // tokens.shape[1])
    run.refresh()
    losses = []
    for start in range(0, len(tokens), rows):
        part = tokens[start : start + rows].to(device.place, non_blocking=True)
        hidden = run.decoder(input_ids=part, use_cache=False).last_hidden_state
        low = (run.tied.a, run.tied.b, run.tied.scale) if run.tied is not None else None
        summed, each = summed_loss(
            hidden.flatten(0, 1), run.table, targets[start : start + rows].to(device.place).flatten(),
            low_rank=low, rows=run.rows, chunk=device.chunk_tokens,
        )  # fmt: skip
        (summed / max(1, learnt)).backward()  # type: ignore[no-untyped-call]
        losses.append(each.view(part.shape))
    if clip:
        nn.utils.clip_grad_norm_(run.parameters.values(), clip)
    run.optimizer.step()
    run.optimizer.zero_grad(set_to_none=True)
    return torch.cat(losses)


OneStep = Callable[[Run, torch.Tensor, torch.Tensor, float], torch.Tensor]


def train_steps(
    run: Run, batches: Batches, plan: Plan, params: TrainParams, scratch: Path, *, one: OneStep | None = None,
    progress: Progress,
) -> torch.Tensor:  # fmt: skip
    """Train from the last checkpoint to the end; returns [steps, sources, 2] of (nats, learnt tokens).

    Raises:
        InputError: the loss is no number any more.
    """
    losses = torch.zeros(plan.steps, len(batches.names), 2, dtype=torch.float64)
    begin = load_state(scratch, run.parameters, run.optimizer, losses)
    saved, started = time.monotonic(), time.monotonic()
    per_step = params.batch_sequences * params.sequence_tokens
    for step in range(begin, plan.steps):
        tokens, targets, which = (torch.from_numpy(array) for array in batches.batch(step))
        for group in run.optimizer.param_groups:
            group["lr"] = learning_rate(step, plan.steps, params) * (group["peak"] / params.learning_rate)
        each = (one or one_step)(run, tokens, targets, params.gradient_clip)
        by_row = torch.stack([each.sum(1).double().cpu(), (targets >= 0).sum(1).double()], 1)
        losses[step].index_add_(0, which, by_row)
        nats, count = losses[step].sum(0).tolist()
        if not math.isfinite(nats):
            raise InputError(
                f"step {step + 1} of {plan.steps}: the loss is {nats}",
                f"lower learning_rate = {params.learning_rate}",
            )
        now = time.monotonic()
        rate = (step + 1 - begin) * per_step / max(1e-9, now - started)
        progress(
            (step + 1) * per_step,
            plan.steps * per_step,
            f"loss {nats / max(1, count):.3f}, {rate:,.0f} tokens/s",
        )
        if now - saved > params.checkpoint_seconds and step + 1 < plan.steps:
            save_state(scratch, step + 1, run.parameters, run.optimizer, losses)
            saved = time.monotonic()
    save_state(scratch, plan.steps, run.parameters, run.optimizer, losses)
    return losses
