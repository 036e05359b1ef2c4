"""Next-token loss over a large vocabulary in chunks, with the gradient taken in the same pass.

Logits of 4,096 tokens over 49,152 entries would be 805 MB in float32, and their softmax and gradient as much again.
Here a chunk's logits become its gradient in place and are dropped, so only the hidden states' gradient is kept.

Letters: n tokens, d width, v vocabulary, r rank, c chunk.
"""

from typing import Any

import torch

__all__ = ["summed_loss"]


class _ChunkedLoss(torch.autograd.Function):
    @staticmethod
    def forward(  # noqa: PLR0917  # autograd gives positions alone
        ctx: Any, hidden_nd: torch.Tensor, table_vd: torch.Tensor, targets_n: torch.Tensor, a_rd: torch.Tensor | None,
        b_vr: torch.Tensor | None, scale: float, chunk: int,
    ) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
        losses_n = torch.zeros(hidden_nd.shape[0], dtype=torch.float32, device=hidden_nd.device)
        grad_nd = torch.zeros_like(hidden_nd)
        grad_a = torch.zeros_like(a_rd) if a_rd is not None else None
        grad_b = torch.zeros_like(b_vr) if b_vr is not None else None
        kept = torch.nonzero(targets_n >= 0).squeeze(1)
        for rows in torch.split(kept, chunk):
            whole = len(rows) == hidden_nd.shape[0]
            h_cd = hidden_nd if whole else hidden_nd[rows]
            logits_cv = (h_cd @ table_vd.t()).float()
            if a_rd is not None and b_vr is not None:
                low_cr = (h_cd.float() @ a_rd.t()) * scale
                logits_cv.addmm_(low_cr, b_vr.t())
            at = targets_n[rows].unsqueeze(1)
            logits_cv.sub_(torch.logsumexp(logits_cv, 1, keepdim=True))
            losses_n[rows] = -logits_cv.gather(1, at).squeeze(1)
            d_cv = logits_cv.exp_()
            d_cv.scatter_add_(1, at, torch.full_like(at, -1, dtype=d_cv.dtype))
            d_cd = d_cv.to(table_vd.dtype) @ table_vd
            if a_rd is not None and b_vr is not None and grad_a is not None and grad_b is not None:
                d_cr = d_cv @ b_vr
                grad_a.addmm_(d_cr.t(), h_cd.float(), alpha=scale)
                grad_b.addmm_(d_cv.t(), low_cr)
                d_cd = d_cd + (scale * (d_cr @ a_rd)).to(d_cd.dtype)
            grad_nd[rows] = d_cd
        ctx.save_for_backward(grad_nd, grad_a, grad_b)
        ctx.mark_non_differentiable(losses_n)
        return losses_n.sum(), losses_n

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        grad_nd, grad_a, grad_b = ctx.saved_tensors
        up = grads[0]
        return (
            grad_nd * up.to(grad_nd.dtype), None, None,
            None if grad_a is None else grad_a * up, None if grad_b is None else grad_b * up, None, None,
        )  # fmt: skip


def summed_loss(
    hidden: torch.Tensor, table: torch.Tensor, targets: torch.Tensor, *,
    low_rank: tuple[torch.Tensor, torch.Tensor, float] | None = None, chunk: int = 1024,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """Summed cross-entropy in nats, and each token's own (not differentiable).

    Args:
        hidden: [n, d] last hidden states.
        table: [v, d] output embedding, frozen.
        targets: [n] next token ids; below zero: not counted.
        low_rank: (a [r, d], b [v, r], scale) added to the table, where the embedding is tied and trained.
        chunk: tokens whose logits are held at once.
    """
    a, b, scale = low_rank if low_rank is not None else (None, None, 1.0)
    result: tuple[torch.Tensor, torch.Tensor] = _ChunkedLoss.apply(hidden, table, targets, a, b, scale, chunk)  # type: ignore[no-untyped-call]
    return result
