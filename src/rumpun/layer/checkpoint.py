"""The state of a run on disk, written whole or not at all: a kill at any time, or a full disk, leaves the last whole one.

safetensors, no pickles: every trained number, both moments of the optimiser, the losses so far; the step is metadata. A run
may add words and tensors of its own (`more`), which then belong to the same moment.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rumpun.errors import EnvironmentFault, InputError
from rumpun.layer.own_part import local, own_rows, whole

__all__ = ["FILE", "load_state", "read_more", "read_words", "save_state"]

FILE = "state.safetensors"  # in a run's scratch folder
_MORE, _WORDS = "more.", "words"


def save_state(
    folder: Path,
    step: int,
    parameters: Mapping[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
    losses: torch.Tensor,
    *,
    words: Mapping[str, str] | None = None,
    more: Mapping[str, torch.Tensor] | None = None,
    file: str = FILE,
) -> None:
    """Write the state after `step` finished steps and put it in the place of the last one.

    Raises:
        EnvironmentFault: it could not be written whole; the last one stays.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    tensors = {"losses": losses} | {f"{_MORE}{name}": tensor for name, tensor in (more or {}).items()}
    for name, parameter in parameters.items():
        tensors[f"value.{name}"] = whole(parameter)
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{key}.{name}"] = whole(torch.as_tensor(value))
    # one key: the library writes several in an order of its own
    told = {_WORDS: json.dumps(dict(words or {}) | {"step": str(step)})}
    making = folder / f".{file}"
    try:
        save_file(
            tensors, making, metadata=told
        )  # from where the numbers lie: a copy of a whole model may not fit
        with making.open("rb") as stream:
            os.fsync(stream.fileno())
        making.replace(folder / file)
    except (OSError, SafetensorError) as error:
        making.unlink(missing_ok=True)
        size = sum(tensor.nbytes for tensor in tensors.values())
        why = error.strerror if isinstance(error, OSError) else error
        raise EnvironmentFault(
            f"{folder / file}: the state after step {step}, {size:,} bytes, could not be written ({why})",
            "free space and run again: it goes on from the last whole state",
        ) from error


def load_state(
    folder: Path,
    parameters: Mapping[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
    losses: torch.Tensor | None,
    *,
    file: str = FILE,
) -> int:
    """Take up the last state, if there is one; returns the number of finished steps. No `losses`: they are not wanted.

    Raises:
        InputError: the state is of another run.
    """
    from safetensors import safe_open

    path = folder / file
    if not path.is_file():
        return 0
    with safe_open(path, framework="pt") as state:
        step = int(_words(state)["step"])
        held = {key.removeprefix("value.") for key in state.keys() if key.startswith("value.")}  # noqa: SIM118  # no mapping
        if held != set(parameters):
            raise InputError(
                f"{path}: holds other numbers than this run trains", "name the same targets and ranks"
            )
        if losses is not None:
            losses.copy_(state.get_tensor("losses"))
        for name, parameter in parameters.items():
            _take_up(state, name, parameter, optimizer)
    return step


def _take_up(state: Any, name: str, parameter: nn.Parameter, optimizer: torch.optim.Optimizer) -> None:
    """This process's part of a number, and of the optimiser's for it."""
    mine = own_rows(parameter)
    taken: dict[str, torch.Tensor] = {"step": state.get_tensor(f"step.{name}")}
    if _fused(optimizer):
        taken["step"] = taken["step"].to(parameter.device)
    for key in ("value", "exp_avg", "exp_avg_sq"):
        into = parameter.detach() if key == "value" else torch.zeros_like(parameter)
        with torch.no_grad():
            local(into).copy_(state.get_slice(f"{key}.{name}")[mine])
        taken[key] = into
    del taken["value"]
    optimizer.state[parameter] = taken


def read_words(folder: Path, file: str = FILE) -> dict[str, str]:
    """The words of a state, the step among them; empty: there is no state."""
    from safetensors import safe_open

    path = folder / file
    if not path.is_file():
        return {}
    with safe_open(path, framework="pt") as state:
        return _words(state)


def _words(state: Any) -> dict[str, str]:
    return dict(json.loads(state.metadata()[_WORDS]))


def read_more(folder: Path, file: str = FILE) -> dict[str, torch.Tensor]:
    """The tensors that a run added to its state."""
    from safetensors import safe_open

    path = folder / file
    if not path.is_file():
        return {}
    with safe_open(path, framework="pt") as state:
        names = [key for key in state.keys() if key.startswith(_MORE)]  # noqa: SIM118  # no mapping
        return {name.removeprefix(_MORE): state.get_tensor(name) for name in names}


def _fused(optimizer: torch.optim.Optimizer) -> bool:
    return bool(optimizer.defaults.get("fused"))
