"""The state of a run on disk, written whole or not at all: a kill at any time leaves the last whole one.

safetensors, no pickles: every trained number, both moments of the optimiser, the losses so far; the step is metadata.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

__all__ = ["load_state", "save_state"]

FILE = "state.safetensors"


def save_state(
    folder: Path,
    step: int,
    parameters: Mapping[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
    losses: torch.Tensor,
) -> None:
    """Write the state after `step` finished steps and put it in the place of the last one."""
    from safetensors.torch import save

    tensors = {"losses": losses}
    for name, parameter in parameters.items():
        tensors[f"value.{name}"] = parameter.detach().cpu().contiguous()
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{key}.{name}"] = torch.as_tensor(value).detach().cpu().contiguous()
    making = folder / f".{FILE}"
    with making.open("wb") as stream:
        stream.write(save(tensors, metadata={"step": str(step)}))
        stream.flush()
        os.fsync(stream.fileno())
    making.replace(folder / FILE)


def load_state(
    folder: Path,
    parameters: Mapping[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
    losses: torch.Tensor,
) -> int:
    """Take up the last state, if there is one; returns the number of finished steps."""
    from safetensors import safe_open

    path = folder / FILE
    if not path.is_file():
        return 0
    with safe_open(path, framework="pt") as state:
        step = int(state.metadata()["step"])
        losses.copy_(state.get_tensor("losses"))
        for name, parameter in parameters.items():
            with torch.no_grad():
                parameter.copy_(state.get_tensor(f"value.{name}"))
            optimizer.state[parameter] = {
                key: state.get_tensor(f"{key}.{name}").to(
                    "cpu" if key == "step" and not _fused(optimizer) else parameter.device
                )
                for key in ("step", "exp_avg", "exp_avg_sq")
            }
    return step


def _fused(optimizer: torch.optim.Optimizer) -> bool:
    return bool(optimizer.defaults.get("fused"))
