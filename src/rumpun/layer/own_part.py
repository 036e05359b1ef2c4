"""A number that several processes share (a DTensor, cut by rows as FSDP2 cuts): this process's part of it, and all of it."""

import torch
from torch.distributed.tensor import DTensor

__all__ = ["is_shared", "local", "own_rows", "whole"]


def is_shared(tensor: torch.Tensor) -> bool:
    """Whether this process holds a part alone."""
    return isinstance(tensor, DTensor)


def local(tensor: torch.Tensor) -> torch.Tensor:
    """What this process holds of it, in the same memory."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def own_rows(tensor: torch.Tensor) -> slice:
    """Which rows of all those are."""
    if not isinstance(tensor, DTensor):
        return slice(0, len(tensor)) if tensor.ndim else slice(None)
    each = -(-len(tensor) // tensor.device_mesh.size())
    start = min(len(tensor), tensor.device_mesh.get_local_rank() * each)
    return slice(start, min(len(tensor), start + each))


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """All of it in the processor's memory; where it is shared, every process has to ask at once."""
    held = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return held.detach().cpu().contiguous()
