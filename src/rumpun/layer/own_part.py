"""A number that several processes share (a DTensor, cut by rows as FSDP2 cuts): this process's part of it, and all of it."""

import torch
from torch.distributed.tensor import DTensor

__all__ = ["is_shared", "local", "own_rows", "whole"]


def is_shared(tensor: torch.Tensor) -> bool:
    """Whether this process holds a part alone."""
    return isinstance(tensor, DTensor)


def local(tensor: torch.Tensor) -> torch.Tensor:
    """What this process holds of it, in the same memory."""
    if not isinstance(tensor, DTensor):
        return tensor
    found: torch.Tensor = tensor.to_local()  # type: ignore[no-untyped-call]
    return found


def own_rows(tensor: torch.Tensor) -> slice:
    """Which rows of all those are."""
    if not isinstance(tensor, DTensor):
        return slice(0, len(tensor)) if tensor.ndim else slice(None)
    each = -(-len(tensor) // tensor.device_mesh.size())
    start = min(len(tensor), tensor.device_mesh.get_local_rank() * each)
    return slice(start, min(len(tensor), start + each))


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """All of it in the processor's memory; where it is shared, every process has to ask at once."""
    if isinstance(tensor, DTensor):
        found: torch.Tensor = tensor.detach().full_tensor()  # type: ignore[no-untyped-call]
        return found.cpu().contiguous()
    return tensor.detach().cpu().contiguous()
