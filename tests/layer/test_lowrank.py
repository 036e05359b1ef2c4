"""Low-rank products: the same numbers as PEFT, and the same gradients as plain autograd on the summed weights."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from rumpun.layer.loss import summed_loss
from rumpun.layer.lowrank import LowRankEmbedding, attach, low_rank_parts
from rumpun.layer.params import TARGETS

IDS = torch.randint(3, 250, (2, 24), generator=torch.Generator().manual_seed(1))


def load(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def attached(folder: Path, *, embeddings_rank: int = 0, seed: int = 1) -> tuple[Any, dict[str, Any]]:
    model = load(folder)
    made = attach(
        model,
        targets=TARGETS,
        rank=4,
        scale=2.0,
        embeddings_rank=embeddings_rank,
        seed=seed,
        dtype=torch.float32,
    )
    chance = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for module in made.values():
            module.b.normal_(0, 0.05, generator=chance)
            module.refresh()
    return model, made


def loss_of(model: Any, made: dict[str, Any]) -> torch.Tensor:
    hidden = model.model(input_ids=IDS, use_cache=False).last_hidden_state[:, :-1]
    table = next((m for m in made.values() if isinstance(m, LowRankEmbedding)), None)
    low = (table.a, table.b, table.scale) if table is not None else None
    weight = model.lm_head.weight.detach()
    return summed_loss(hidden.flatten(0, 1), weight, IDS[:, 1:].flatten(), low_rank=low, chunk=7)[0]


def test_a_fresh_model_is_unchanged(base_folder: Path) -> None:
    model, plain = load(base_folder), load(base_folder)
    attach(model, targets=TARGETS, rank=4, scale=2.0, embeddings_rank=2, seed=1, dtype=torch.float32)
    with torch.no_grad():
        ours = model.model(input_ids=IDS).last_hidden_state
        theirs = plain.model(input_ids=IDS).last_hidden_state
    torch.testing.assert_close(ours, theirs)


def test_the_start_depends_on_seed_and_place(base_folder: Path) -> None:
    def start(seed: int) -> list[torch.Tensor]:
        made = attach(
            load(base_folder),
            targets=TARGETS,
            rank=4,
            scale=1.0,
            embeddings_rank=0,
            seed=seed,
            dtype=torch.float32,
        )
        return [module.a.detach() for module in made.values()]

    first, again, other = start(1), start(1), start(2)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))
    assert not torch.equal(first[0], first[3])


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft asks by the old name
def test_agrees_with_peft_before_and_after_a_step(base_folder: Path) -> None:
    peft = pytest.importorskip("peft", reason="peft is not installed")
    model, made = attached(base_folder)
    config = peft.LoraConfig(r=4, lora_alpha=8, target_modules=list(TARGETS), lora_dropout=0.0)
    reference = peft.get_peft_model(load(base_folder), config)
    theirs = {}
    for name, module in reference.named_modules():
        if hasattr(module, "lora_A") and "default" in module.lora_A:
            own = name.removeprefix("base_model.model.")
            theirs[f"{own}.a"], theirs[f"{own}.b"] = (
                module.lora_A["default"].weight,
                module.lora_B["default"].weight,
            )
    ours = dict(low_rank_parts(made))
    assert ours.keys() == theirs.keys()
    with torch.no_grad():
        for name, parameter in theirs.items():
            parameter.copy_(ours[name])
    for step in range(2):
        for module in made.values():
            module.refresh()
        loss = loss_of(model, made) / IDS[:, 1:].numel()
        expected = reference(input_ids=IDS, labels=IDS).loss
        assert abs(loss.item() - expected.item()) < 2e-6 * expected.item(), f"step {step}"
        loss.backward()
        expected.backward()
        for name, parameter in ours.items():
            torch.testing.assert_close(parameter.grad, theirs[name].grad, rtol=1e-3, atol=1e-6, msg=name)
        for parameters in (ours, theirs):
            torch.optim.SGD(parameters.values(), lr=0.5).step()
            for parameter in parameters.values():
                parameter.grad = None


def test_a_tied_embedding_is_trained_on_both_sides(base_folder: Path) -> None:
    model, made = attached(base_folder, embeddings_rank=3)
    (loss_of(model, made) / IDS[:, 1:].numel()).backward()

    plain = load(base_folder).requires_grad_(False)
    leaves = {name: p.detach().clone().requires_grad_() for name, p in low_rank_parts(made)}
    weights = dict(plain.named_parameters())
    for name in made:
        weights[f"{name}.weight"] = (
            weights[f"{name}.weight"] + 2.0 * leaves[f"{name}.b"] @ leaves[f"{name}.a"]
        )
    out = torch.func.functional_call(plain, weights, (IDS,)).logits[:, :-1]
    nn.functional.cross_entropy(out.flatten(0, 1), IDS[:, 1:].flatten()).backward()
    for name, parameter in low_rank_parts(made):
        torch.testing.assert_close(parameter.grad, leaves[name].grad, rtol=1e-3, atol=1e-6, msg=name)


@pytest.mark.parametrize(("chunk", "cached"), [(1, 1 << 20), (5, 150), (64, 1), (64, 350)])
def test_chunked_loss_is_cross_entropy_of_the_learnt_tokens(
    chunk: int, cached: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rumpun.layer.loss._CACHED", cached)  # numbers of a block of rows, of 50 each
    chance = torch.Generator().manual_seed(2)
    hidden = torch.randn(33, 16, generator=chance, requires_grad=True)
    table = torch.randn(50, 16, generator=chance)
    targets = torch.randint(0, 50, (33,), generator=chance)
    targets[::3] = -1
    summed, each = summed_loss(hidden, table, targets, chunk=chunk)
    summed.backward()
    ours, hidden.grad = hidden.grad, None
    expected = nn.functional.cross_entropy(hidden @ table.t(), targets, ignore_index=-1, reduction="none")
    expected.sum().backward()
    torch.testing.assert_close(each, expected.detach())
    torch.testing.assert_close(ours, hidden.grad)
    assert np.isclose(summed.item(), expected.sum().item(), rtol=1e-6)


def test_nothing_learnt_gives_no_loss_and_no_gradient() -> None:
    hidden = torch.randn(4, 8, requires_grad=True)
    summed, _ = summed_loss(hidden, torch.randn(9, 8), torch.full((4,), -1))
    summed.backward()
    assert summed.item() == 0
    assert hidden.grad is not None
    assert not hidden.grad.any()


@pytest.mark.parametrize("added", [0, 7])
def test_in_bfloat16_product_and_rows_get_the_gradients_of_float32(added: int) -> None:
    """The base, a product on it and added rows in one multiplication: what rounding costs, and no more."""
    chance = torch.Generator().manual_seed(9)
    hidden = torch.randn(40, 32, generator=chance).bfloat16()
    base = (0.3 * torch.randn(200, 32, generator=chance)).bfloat16()
    leaves = [torch.randn(*shape, generator=chance) for shape in ((4, 32), (200, 4), (added, 32))]
    targets = torch.randint(0, 200 + added, (40,), generator=chance)
    targets[::5] = -1

    def of(ours: bool) -> list[torch.Tensor]:
        h = hidden.clone() if ours else hidden.float()
        a, b, rows = (leaf.clone().requires_grad_() for leaf in leaves)
        h.requires_grad_()
        if ours:
            table = torch.cat([base, rows.detach().bfloat16()])
            given = rows if added else None
            loss, _ = summed_loss(h, table, targets, low_rank=(a, b, 0.1), rows=given, chunk=16)
        else:
            table = torch.cat([base.float() + 0.1 * b @ a, rows])
            loss = nn.functional.cross_entropy(h @ table.t(), targets, ignore_index=-1, reduction="sum")
        loss.backward()
        return [loss.detach(), *(leaf.grad for leaf in (h, a, b, rows) if leaf.grad is not None)]

    for ours, exact in zip(of(True), of(False)[: 5 if added else 4], strict=True):
        apart = (ours.float() - exact).norm() / exact.norm()
        assert apart < 0.02
