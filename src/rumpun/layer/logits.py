"""A run's logits in chunks of tokens, with gradients: for losses that need more than the sum of cross-entropies.

`loss` takes its gradient in the forward pass, which only works where every token weighs the same. Here a chunk's logits are
dropped and made again in the backward pass, so a loss may weigh tokens by what it finds, and no more than one chunk's logits
are held.

Letters: n tokens, d width, v vocabulary, c chunk.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch.utils.checkpoint import checkpoint

if TYPE_CHECKING:
    from rumpun.layer.prepared import Run

__all__ = ["by_chunk", "run_logits", "token_logprobs"]


def run_logits(run: "Run", hidden_cd: torch.Tensor) -> torch.Tensor:
    """Last hidden states [c, d] to logits [c, v] in float32, added tokens last."""
    old = len(run.table) - (0 if run.rows is None else len(run.rows))
    logits_cv = (hidden_cd @ run.table[:old].t()).float()
    if run.tied is not None:
        low_cr = hidden_cd.float() @ run.tied.a.t()
        logits_cv = logits_cv + run.tied.scale * (low_cr @ run.tied.b.t())
    if run.rows is not None:
        added = (hidden_cd @ run.rows.to(hidden_cd.dtype).t()).float()
        logits_cv = torch.cat([logits_cv, added], 1)
    return logits_cv


def by_chunk(
    function: Callable[..., torch.Tensor], chunk: int, first: torch.Tensor, *others: torch.Tensor
) -> torch.Tensor:
    """`function` of the columns ([n, …] each), `chunk` tokens at a time; it gives a number a token, [n] in all."""
    parts = [
        checkpoint(function, *pieces, use_reentrant=False, preserve_rng_state=False)
        for pieces in zip(*(torch.split(column, chunk) for column in (first, *others)), strict=True)
    ]
    return torch.cat(parts) if len(first) else first.new_zeros(0, dtype=torch.float32)


def token_logprobs(
    run: "Run", hidden_nd: torch.Tensor, targets_n: torch.Tensor, *, chunk: int
) -> torch.Tensor:
    """Log-probability [n] in nats of each next token, with gradients."""

    def some(hidden_cd: torch.Tensor, targets_c: torch.Tensor) -> torch.Tensor:
        return -torch.nn.functional.cross_entropy(run_logits(run, hidden_cd), targets_c, reduction="none")

    return by_chunk(some, chunk, hidden_nd, targets_n)
