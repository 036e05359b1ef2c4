"""Attention for training on a processor: products of whole matrices, weights kept for the backward pass.

torch's own kernel for processors forms the weights again, block by block, in the backward pass, which saves memory that
short sequences do not need: at 256 tokens the products below take half of its time (docs/decisions/0007). Above
`LONGEST_KEPT` tokens, where the weights of all blocks would fill the memory, torch's kernel is used. With grouped-query
attention the queries of a group stand one below the other, so keys and values are not repeated.

Letters: b sequences, h heads, k key heads, g heads of a group, t tokens, d width of a head.
"""

from typing import Any

import torch

from rumpun.layer.cost import LONGEST_KEPT

__all__ = ["NAME", "attend", "register"]

NAME = "rumpun"  # as transformers' models find it


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(  # noqa: PLR0917  # autograd gives positions alone
        ctx: Any, q_bhtd: torch.Tensor, k_bktd: torch.Tensor, v_bktd: torch.Tensor, mask: torch.Tensor,
        scale: float,
    ) -> torch.Tensor:  # fmt: skip
        b, h, t, d = q_bhtd.shape
        k = k_bktd.shape[1]
        q = (q_bhtd * scale).reshape(b * k, h // k * t, d)
        keys, values = k_bktd.reshape(b * k, t, d), v_bktd.reshape(b * k, t, v_bktd.shape[3])
        scores = torch.bmm(q, keys.transpose(1, 2))
        scores.view(b, h, t, t).add_(mask)
        weights = torch.softmax(scores, -1)
        ctx.save_for_backward(q, keys, values, weights)
        ctx.shapes = q_bhtd.shape, k_bktd.shape, v_bktd.shape
        ctx.scale = scale
        return torch.bmm(weights, values).view(b, h, t, -1)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        q, keys, values, weights = ctx.saved_tensors
        q_shape, k_shape, v_shape = ctx.shapes
        dy = grads[0].reshape(q.shape[0], q.shape[1], -1)
        dv = torch.bmm(weights.transpose(1, 2), dy)
        dweights = torch.bmm(dy, values.transpose(1, 2))
        dscores = torch._softmax_backward_data(dweights, weights, -1, weights.dtype)  # noqa: SLF001  # softmax's own
        dq = torch.bmm(dscores, keys).mul_(ctx.scale)
        dk = torch.bmm(dscores.transpose(1, 2), q)
        return dq.view(q_shape), dk.view(k_shape), dv.view(v_shape), None, None


def attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor, scale: float
) -> torch.Tensor:
    """Attention's output [b, h, t, d] of queries [b, h, t, d], keys and values [b, k, t, d], h a multiple of k.

    `mask` [b or 1, 1, t, t] is added to the scores: 0 where a token sees another, a very low number where it does not.
    """
    found: torch.Tensor = _Attention.apply(query, key, value, mask, scale)  # type: ignore[no-untyped-call]
    return found


def _forward(  # noqa: PLR0917  # as transformers calls it
    module: torch.nn.Module, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor,
    attention_mask: torch.Tensor, scaling: float | None = None, **others: Any,
) -> tuple[torch.Tensor, None]:  # fmt: skip
    """What transformers calls: [b, t, h, d] back."""
    if query.shape[2] > LONGEST_KEPT or query.shape[2] != key.shape[2]:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        found: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **others
        )
        return found
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    return attend(query, key, value, attention_mask, scale).transpose(1, 2).contiguous(), None


def register() -> str:
    """Make it known to transformers; returns its name."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, eager_mask

    AttentionInterface.register(NAME, _forward)
    AttentionMaskInterface.register(NAME, eager_mask)
    return NAME
