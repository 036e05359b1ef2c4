"""Low-rank products beside frozen weights, made for speed on small machines.

A usual LoRA layer computes `x W' + scale (x a') b'` in every forward pass: two thin products and three passes over
the output for each module. Here the sum `W + scale b a` is formed once an optimiser step, the forward pass is one
product, and the thin products are needed only for the gradients of `a` and `b`. Same mathematics as PEFT's LoraConfig
(a test compares the two); measured on two cores in bench/train_speed.py.

Letters: n tokens, i input width, o output width, r rank.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

__all__ = ["LowRankEmbedding", "LowRankLinear", "attach", "low_rank_parts"]


class _Product(torch.autograd.Function):
    """y = x (W + scale b a)' with gradients for x, a and b; the sum itself is given."""

    @staticmethod
    def forward(  # noqa: PLR0917  # autograd gives positions alone
        ctx: Any,
        x_ni: torch.Tensor,
        summed_oi: torch.Tensor,
        a_ri: torch.Tensor,
        b_or: torch.Tensor,
        scale: float,
    ) -> torch.Tensor:
        ctx.save_for_backward(x_ni, summed_oi, a_ri, b_or)
        ctx.scale = scale
        return x_ni @ summed_oi.t()

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (dy_no,) = grads
        x_ni, summed_oi, a_ri, b_or = ctx.saved_tensors
        a_low, b_low = a_ri.to(x_ni.dtype), b_or.to(x_ni.dtype)
        dx_ni = dy_no @ summed_oi if ctx.needs_input_grad[0] else None
        da_ri = ((dy_no @ b_low).t() @ x_ni).to(a_ri.dtype).mul_(ctx.scale)
        db_or = (dy_no.t() @ (x_ni @ a_low.t())).to(b_or.dtype).mul_(ctx.scale)
        return dx_ni, None, da_ri, db_or, None


class LowRankLinear(nn.Module):
    """A frozen linear module [o, i] with a trained product `scale * b @ a` beside it."""

    summed: torch.Tensor
    weight: torch.Tensor

    def __init__(self, linear: nn.Linear, rank: int, scale: float, dtype: torch.dtype) -> None:
        super().__init__()
        outs, ins = linear.weight.shape
        self.scale = scale
        self.part = slice(None)  # this process's rows, where several share the frozen numbers (`distributed`)
        self.bias = linear.bias
        self.register_buffer("weight", linear.weight.detach().float(), persistent=False)
        self.register_buffer("summed", linear.weight.detach().to(dtype, copy=True), persistent=False)
        self.a = nn.Parameter(torch.empty(rank, ins))
        self.b = nn.Parameter(torch.zeros(outs, rank))

    @torch.no_grad()
    def refresh(self) -> None:
        """Form the sum again, after `a` or `b` changed."""
        own = getattr(self.summed, "to_local", None)
        summed = self.summed if own is None else own()
        summed.copy_(torch.addmm(self.weight, self.b[self.part], self.a, alpha=self.scale))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[..., i] to [..., o]."""
        flat = x.reshape(-1, x.shape[-1])
        y: torch.Tensor = _Product.apply(flat, self.summed, self.a, self.b, self.scale)  # type: ignore[no-untyped-call]
        y = y.view(*x.shape[:-1], -1)
        return y if self.bias is None else y + self.bias


class LowRankEmbedding(nn.Module):
    """A frozen table [vocabulary, i] with a trained product `scale * b @ a`; `b` has a row a token."""

    weight: torch.Tensor

    def __init__(self, table: nn.Embedding, rank: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        # Gemma multiplies what it looks up
        self.embed_scale = float(getattr(table, "scalar_embed_scale", 1.0))
        self.register_buffer("weight", table.weight.detach(), persistent=False)
        self.a = nn.Parameter(torch.empty(rank, table.weight.shape[1]))
        self.b = nn.Parameter(torch.zeros(table.weight.shape[0], rank))

    def refresh(self) -> None:
        """Nothing is kept summed."""

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Token ids [...] to [..., i]."""
        found = nn.functional.embedding(tokens, self.weight)
        low = nn.functional.embedding(tokens, self.b) @ self.a
        return (found + (self.scale * low).to(found.dtype)) * self.embed_scale


def attach(
    model: nn.Module,
    *,
    targets: tuple[str, ...],
    rank: int,
    scale: float,
    embeddings_rank: int,
    seed: int,
    dtype: torch.dtype,
) -> dict[str, LowRankLinear | LowRankEmbedding]:
    """Freeze a model, put low-rank modules in the place of its targets, and return them by name.

    `a` starts uniform in ±1/sqrt(i) as in LoRA's reference (Kaiming with a = sqrt 5), `b` at zero: the model starts
    unchanged. Each module's start depends on the seed and its place alone.
    """
    model.requires_grad_(requires_grad=False)
    found = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and name.rpartition(".")[2] in targets
    ]
    made: dict[str, LowRankLinear | LowRankEmbedding] = {}
    if embeddings_rank:
        for name, module in model.named_modules():
            if isinstance(module, nn.Embedding) and name.endswith("embed_tokens"):
                made[name] = LowRankEmbedding(module, embeddings_rank, scale)
    for name, linear in found:
        made[name] = LowRankLinear(linear, rank, scale, dtype)
    for place, (name, module) in enumerate(made.items()):
        parent, _, own = name.rpartition(".")
        setattr(model.get_submodule(parent), own, module)
        start = torch.Generator().manual_seed(seed * 1_000_003 + place)
        bound = 1 / math.sqrt(module.a.shape[1])
        with torch.no_grad():
            module.a.copy_(torch.empty(module.a.shape).uniform_(-bound, bound, generator=start))
    return made


def low_rank_parts(made: dict[str, LowRankLinear | LowRankEmbedding]) -> Iterator[tuple[str, nn.Parameter]]:
    """(layer file's tensor name, parameter) of each trained number, in a fixed order."""
    for name, module in made.items():
        yield f"{name}.a", module.a
        yield f"{name}.b", module.b
