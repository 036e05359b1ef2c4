"""Every weight of a base trained: float32 numbers, and copies of them to compute with where that is done in bfloat16.

Copies are made once a step: autocast would convert every weight in every pass. A copy's gradient is added to its number's
in float32 as soon as it is whole, and dropped, so passes add up without rounding (Micikevicius et al. 2018, section 3.1).
In float32 the model computes with the numbers themselves. Where several processes train, FSDP2 does the same for the blocks, of
which each process holds its rows.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from rumpun.errors import InputError
from rumpun.layer.merging.shards import Shards
from rumpun.layer.own_part import is_shared
from rumpun.layer.prepared import Device, Run, make_ready, open_model
from rumpun.weights.families.hyper import text_family

if TYPE_CHECKING:
    from rumpun.layer.group import Group
    from rumpun.layer.params import FullParams

__all__ = ["Copies", "prepare_full"]


class Copies:
    """A model's parameters as copies of float32 numbers, which it holds by the same names; of shared ones FSDP2 makes copies."""

    def __init__(self, model: nn.Module, dtype: torch.dtype) -> None:
        self.numbers: dict[str, nn.Parameter] = {}
        self.copies: dict[str, nn.Parameter] = {
            name: value for name, value in model.named_parameters() if not is_shared(value)
        }
        for name, copy in self.copies.items():
            self.numbers[name] = number = nn.Parameter(copy.data)
            copy.data = copy.data.to(dtype)
            copy.register_post_accumulate_grad_hook(_Adds(number))  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def refresh(self) -> None:
        """Make the copies again, after the numbers changed."""
        for name, copy in self.copies.items():
            copy.copy_(self.numbers[name])


class _Adds:
    """Hands a copy's gradient over to its number."""

    def __init__(self, number: nn.Parameter) -> None:
        self.number = number

    def __call__(self, copy: torch.Tensor) -> None:
        if copy.grad is None:
            return
        if self.number.grad is None:
            self.number.grad = copy.grad.to(self.number.dtype)
        else:
            self.number.grad += copy.grad
        copy.grad = None


def prepare_full(folder: Path, params: "FullParams", device: Device, *, group: "Group | None" = None) -> Run:
    """Load a model from a transformers folder, every weight to be trained.

    Raises:
        InputError: the model is of an architecture that is not known here, its context is too short, or its files name
            their tensors otherwise than transformers does.
    """
    family = text_family(folder)
    model = open_model(folder, params, device)
    _check_names(folder, model)
    if group:
        group.shard_blocks(model, device.dtype)
    model.to(device.place)
    make_ready(model, params)
    output = model.get_output_embeddings().weight
    output_name = next(name for name, value in model.named_parameters() if value is output)
    parameters: Mapping[str, nn.Parameter] = dict(model.named_parameters())
    kept = {}
    if device.dtype != torch.float32:
        kept["model"] = made = Copies(model, device.dtype)
        parameters = {name: made.numbers.get(name, value) for name, value in parameters.items()}
    optimizer = _optimizer(model, parameters, params)
    return Run(
        decoder=group.reads(model.model, parameters, optimizer) if group else model.model, table=output.detach(), modules=kept, parameters=dict(parameters), optimizer=optimizer, device=device,
        architecture=family.architecture, targets=(), tied=None, rows=parameters[output_name], group=group,
    )  # fmt: skip


def _check_names(folder: Path, model: nn.Module) -> None:
    """Refuse a folder whose files could not take the trained numbers by name."""
    stored = Shards(folder).entries
    for name, value in model.named_parameters():
        found = stored.get(name)
        if found is None or found.shape != tuple(value.shape):
            words = "not there" if found is None else f"{list(found.shape)} there"
            raise InputError(
                f"{folder}: {name} is {list(value.shape)} in transformers and {words} in the files",
                "write the folder again with transformers' save_pretrained",
            )


def _optimizer(model: Any, parameters: Mapping[str, nn.Parameter], params: "FullParams") -> torch.optim.AdamW:
    """AdamW; the matrices of the blocks alone decay (Brown et al. 2020; Groeneveld et al. 2024 for rows of tokens)."""
    output = model.get_output_embeddings()
    decayed = {
        f"{name}.weight"
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and module is not output
    }
    groups = [
        {
            "params": [
                value
                for name, value in parameters.items()
                if (name in decayed) == decays and is_shared(value) == shared
            ],
            "peak": params.learning_rate,
            "weight_decay": params.weight_decay if decays else 0.0,
        }
        for decays in (True, False)
        for shared in (True, False)  # one kernel takes the one kind or the other
    ]
    groups = [found for found in groups if found["params"]]
    return torch.optim.AdamW(groups, lr=params.learning_rate, betas=(0.9, params.beta2), fused=True)
