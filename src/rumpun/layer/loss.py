"""Next-token loss over a large vocabulary in chunks, with the gradient taken in the same pass.

Logits of 4,096 tokens over 49,152 entries would be 805 MB in float32, and their softmax and gradient as much again.
Here a chunk's logits become its gradient in place and are dropped, so only the hidden states' gradient is kept. On a
processor the softmax goes a few rows at a time, whose float32 numbers stay in its cache (docs/decisions/0007).

Letters: n tokens, d width, v vocabulary, o the base's tokens, k added ones, r rank, x = d + r, c chunk, m recalled tokens.
"""

from dataclasses import dataclass
from typing import Any

import torch

__all__ = ["Recalled", "summed_loss"]

_LEAST = torch.finfo(torch.float32).tiny  # a token of less probability counts 87 nats
_TOLD = 512  # tokens whose distribution of the base is held at once
_CACHED = 1 << 20  # numbers of a block of rows on a processor; 2^18 to 2^21 are alike, 2^22 is slower


@dataclass(frozen=True, slots=True)
class Recalled:
    """What the base itself says of some of the tokens: its distribution counts `weight`, the text's next token the rest."""

    at: torch.Tensor  # [n] which of the base's hidden states is the token's; below zero: none
    hidden: torch.Tensor  # [m, d] last hidden states of the base
    table: torch.Tensor  # [o, d] the base's output embedding
    weight: float

    def of(self, rows: torch.Tensor) -> "_Told | None":
        """The base's logits of those of these tokens that it is asked of; None where there is none."""
        at = self.at[rows]
        mine = torch.nonzero(at >= 0).squeeze(1)
        if not len(mine):
            return None
        place = torch.full_like(at, -1)
        place[mine] = torch.arange(len(mine), device=at.device)
        return _Told(place, self.hidden[at[mine]] @ self.table.t(), self.weight)


@dataclass(frozen=True, slots=True)
class _Told:
    place: torch.Tensor  # [c] of a token's logits among these; below zero: none
    logits: torch.Tensor  # [m, o]
    weight: float

    def turn(self, grad_cv: torch.Tensor, at: torch.Tensor, begin: int) -> None:
        """Of tokens from `begin` on: the gradient of the text's cross-entropy into that of both, in place."""
        place = self.place[begin : begin + len(grad_cv)]
        for mine in torch.split(torch.nonzero(place >= 0).squeeze(1), _TOLD):
            base = torch.softmax(self.logits[place[mine]], 1, dtype=torch.float32).mul_(-self.weight)
            grad_cv[:, : base.shape[1]].index_add_(0, mine, base)
            own = torch.full_like(mine, self.weight, dtype=grad_cv.dtype)
            grad_cv.index_put_((mine, at[mine].squeeze(1)), own, accumulate=True)


def _to_gradient(logits_cv: torch.Tensor, at: torch.Tensor, told: _Told | None = None) -> torch.Tensor:
    """Turn logits into their loss's gradient in place; returns the losses [c], float32. `at` [c, 1] are the right ones."""
    on_processor = logits_cv.device.type == "cpu"
    rows = max(1, _CACHED // logits_cv.shape[1]) if on_processor else len(logits_cv)
    right = torch.empty(at.shape, dtype=torch.float32, device=at.device)
    begin = 0
    for part, own, its in zip(*(torch.split(each, rows) for each in (logits_cv, right, at)), strict=True):
        soft = torch.softmax(part, 1, dtype=torch.float32)
        own.copy_(soft.gather(1, its))
        soft.scatter_(1, its, own - 1)
        if told is not None:
            told.turn(soft, its, begin)
        part.copy_(soft)
        begin += len(part)
    return -right.clamp_min(_LEAST).log().squeeze(1)  # what is no number stays none


def _beside(table_vd: torch.Tensor, b_or: torch.Tensor) -> torch.Tensor:
    """The table with a product's second factor as further columns [v, d + r]: base and product are one multiplication."""
    new, rank = len(table_vd) - len(b_or), b_or.shape[1]
    wide_vr = (
        torch.cat([b_or.to(table_vd.dtype), table_vd.new_zeros(new, rank)])
        if new
        else b_or.to(table_vd.dtype)
    )
    return torch.cat([table_vd, wide_vr], 1)


class _ChunkedLoss(torch.autograd.Function):
    @staticmethod
    def forward(  # noqa: PLR0917  # autograd gives positions alone
        ctx: Any, hidden_nd: torch.Tensor, table_vd: torch.Tensor, targets_n: torch.Tensor, a_rd: torch.Tensor | None,
        b_or: torch.Tensor | None, rows_kd: torch.Tensor | None, scale: float, chunk: int, recalled: Recalled | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
        width, dtype = hidden_nd.shape[1], table_vd.dtype
        losses_n = torch.zeros(hidden_nd.shape[0], dtype=torch.float32, device=hidden_nd.device)
        grad_nd = torch.zeros_like(hidden_nd)
        grad_a = torch.zeros_like(a_rd) if a_rd is not None else None
        grad_b = torch.zeros_like(b_or) if b_or is not None else None
        grad_rows = torch.zeros_like(rows_kd) if rows_kd is not None else None
        old = len(table_vd) - (0 if rows_kd is None else len(rows_kd))
        wide_vx = table_vd if b_or is None else _beside(table_vd, b_or)
        kept = torch.nonzero(targets_n >= 0).squeeze(1)
        room = torch.empty((min(chunk, len(kept)), len(table_vd)), dtype=dtype, device=table_vd.device)
        for rows in torch.split(kept, chunk):
            whole = len(rows) == hidden_nd.shape[0]
            h_cd = h_cx = hidden_nd if whole else hidden_nd[rows]
            if a_rd is not None:
                low_cr = (h_cd.float() @ a_rd.t() * scale).to(dtype)
                h_cx = torch.cat([h_cd, low_cr], 1)
            d_cv = torch.mm(h_cx, wide_vx.t(), out=room[: len(rows)])
            told = recalled.of(rows) if recalled is not None else None
            losses_n[rows] = _to_gradient(d_cv, targets_n[rows].unsqueeze(1), told)
            d_cx = d_cv @ wide_vx
            grad_nd[rows] = d_cx[:, :width]
            if grad_rows is not None:
                grad_rows += (d_cv[:, old:].t() @ h_cd).float()
            if a_rd is not None and grad_a is not None and grad_b is not None:
                d_cr = d_cx[:, width:].float()
                grad_a.addmm_(d_cr.t(), h_cd.float(), alpha=scale)
                grad_b += (d_cv[:, :old].t() @ low_cr).float()
                grad_nd[rows] += (scale * (d_cr @ a_rd)).to(dtype)
        ctx.save_for_backward(grad_nd, grad_a, grad_b, grad_rows)
        ctx.mark_non_differentiable(losses_n)
        return losses_n.sum(), losses_n

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        grad_nd, *others = ctx.saved_tensors
        up = grads[0]
        grad_a, grad_b, grad_rows = (None if grad is None else grad * up for grad in others)
        return grad_nd * up.to(grad_nd.dtype), None, None, grad_a, grad_b, grad_rows, None, None, None


def summed_loss(
    hidden: torch.Tensor, table: torch.Tensor, targets: torch.Tensor, *,
    low_rank: tuple[torch.Tensor, torch.Tensor, float] | None = None, rows: torch.Tensor | None = None,
    chunk: int = 1024, recalled: Recalled | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """Summed cross-entropy in nats, and each token's own (not differentiable).

    Args:
        hidden: [n, d] last hidden states.
        table: [v, d] output embedding, frozen but for added rows.
        targets: [n] next token ids; below zero: not counted.
        low_rank: (a [r, d], b [o, r], scale) added to the base's rows, where the embedding is tied and trained.
        rows: [k, d] added tokens' rows, trained; the table's last k are these in its own precision.
        chunk: tokens whose logits are held at once.
        recalled: what the base says of some tokens. It turns the gradient; the numbers returned are of the text alone.
    """
    a, b, scale = low_rank if low_rank is not None else (None, None, 1.0)
    given = (hidden, table, targets, a, b, rows, scale, chunk, recalled)
    result: tuple[torch.Tensor, torch.Tensor] = _ChunkedLoss.apply(*given)  # type: ignore[no-untyped-call]
    return result
