"""Next-token loss over a large vocabulary in chunks, with the gradient taken in the same pass.

Logits of 4,096 tokens over 49,152 entries would be 805 MB in float32, and their softmax and gradient as much again.
Here a chunk's logits become its gradient in place and are dropped, so only the hidden states' gradient is kept.

Letters: n tokens, d width, v vocabulary, o the base's tokens, k added ones, r rank, c chunk.
"""

from typing import Any

import torch

__all__ = ["summed_loss"]

_LEAST = torch.finfo(torch.float32).tiny  # a token of less probability counts 87 nats


class _ChunkedLoss(torch.autograd.Function):
    @staticmethod
    def forward(  # noqa: PLR0917  # autograd gives positions alone
        ctx: Any, hidden_nd: torch.Tensor, table_vd: torch.Tensor, targets_n: torch.Tensor, a_rd: torch.Tensor | None,
        b_or: torch.Tensor | None, rows_kd: torch.Tensor | None, scale: float, chunk: int,
    ) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
        losses_n = torch.zeros(hidden_nd.shape[0], dtype=torch.float32, device=hidden_nd.device)
        grad_nd = torch.zeros_like(hidden_nd)
        grad_a = torch.zeros_like(a_rd) if a_rd is not None else None
        grad_b = torch.zeros_like(b_or) if b_or is not None else None
        grad_rows = torch.zeros_like(rows_kd) if rows_kd is not None else None
        old = table_vd.shape[0] - (0 if rows_kd is None else rows_kd.shape[0])
        kept = torch.nonzero(targets_n >= 0).squeeze(1)
        for rows in torch.split(kept, chunk):
            whole = len(rows) == hidden_nd.shape[0]
            h_cd = hidden_nd if whole else hidden_nd[rows]
            logits_cv = h_cd @ table_vd.t()
            if a_rd is not None and b_or is not None:
                low_cr = (h_cd.float() @ a_rd.t()) * scale
                logits_cv = logits_cv.float()
                logits_cv[:, :old].addmm_(low_cr, b_or.t())
            at = targets_n[rows].unsqueeze(1)
            d_cv = torch.softmax(logits_cv, 1, dtype=torch.float32)
            right = d_cv.gather(1, at)
            losses_n[rows] = -right.clamp_min(_LEAST).log().squeeze(1)  # what is no number stays none
            d_cv.scatter_(1, at, right - 1)
            low_cv = d_cv.to(table_vd.dtype)
            d_cd = low_cv @ table_vd
            if grad_rows is not None:
                grad_rows += (low_cv[:, old:].t() @ h_cd).float()
            if a_rd is not None and b_or is not None and grad_a is not None and grad_b is not None:
                d_cr = d_cv[:, :old] @ b_or
                grad_a.addmm_(d_cr.t(), h_cd.float(), alpha=scale)
                grad_b.addmm_(d_cv[:, :old].t(), low_cr)
                d_cd = d_cd + (scale * (d_cr @ a_rd)).to(d_cd.dtype)
            grad_nd[rows] = d_cd
        ctx.save_for_backward(grad_nd, grad_a, grad_b, grad_rows)
        ctx.mark_non_differentiable(losses_n)
        return losses_n.sum(), losses_n

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        grad_nd, *others = ctx.saved_tensors
        up = grads[0]
        grad_a, grad_b, grad_rows = (None if grad is None else grad * up for grad in others)
        return grad_nd * up.to(grad_nd.dtype), None, None, grad_a, grad_b, grad_rows, None, None


def summed_loss(
    hidden: torch.Tensor, table: torch.Tensor, targets: torch.Tensor, *,
    low_rank: tuple[torch.Tensor, torch.Tensor, float] | None = None, rows: torch.Tensor | None = None,
    chunk: int = 1024,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """Summed cross-entropy in nats, and each token's own (not differentiable).

    Args:
        hidden: [n, d] last hidden states.
        table: [v, d] output embedding, frozen but for added rows.
        targets: [n] next token ids; below zero: not counted.
        low_rank: (a [r, d], b [o, r], scale) added to the base's rows, where the embedding is tied and trained.
        rows: [k, d] added tokens' rows, trained; the table's last k are these in its own precision.
        chunk: tokens whose logits are held at once.
    """
    a, b, scale = low_rank if low_rank is not None else (None, None, 1.0)
    given = (hidden, table, targets, a, b, rows, scale, chunk)
    result: tuple[torch.Tensor, torch.Tensor] = _ChunkedLoss.apply(*given)  # type: ignore[no-untyped-call]
    return result
