"""A base made ready to train: where it computes, what is trained in it, and with which optimiser.

Letters: d width.
"""

import os
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
from rumpun.layer.cost import CHUNK_TOKENS, PASS_TOKENS
from rumpun.layer.lowrank import LowRankEmbedding, LowRankLinear, attach, low_rank_parts
from rumpun.layer.machines import computes_bfloat16
from rumpun.layer.own_part import is_shared, whole
from rumpun.layer.params import RunParams, TrainParams
from rumpun.weights.families.hyper import text_family

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from rumpun.layer.group import Group
    from rumpun.layer.recall import Recall

__all__ = ["Device", "Run", "find_device", "make_ready", "open_model", "prepare"]


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
    recall: "Recall | None" = None  # the base, where its own distributions are learnt on replayed text

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
    recall = None
    if params.replay.base_weight:
        from rumpun.layer.recall import base_beside

        recall = base_beside(open_model(folder, params, device), params.replay.base_weight, device)
    embedding = next((m for m in modules.values() if isinstance(m, LowRankEmbedding)), None)
    return Run(
        decoder=group.reads(model.model, parameters, optimizer) if group else model.model, table=table.to(device.place, device.dtype), modules=modules, parameters=parameters,
        optimizer=optimizer, device=device, architecture=family.architecture, targets=targets, tied=embedding if tied else None,
        rows=output, group=group, recall=recall,
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
