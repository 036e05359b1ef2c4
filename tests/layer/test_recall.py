"""Replay with the base's own distributions: one step against autograd, and a run that forgets less than one without."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from preferring import SHAPE, as_input, merged_model, moved_run, work

from rumpun.layer.loop import one_step
from rumpun.layer.params import FullParams, Replay, TrainParams
from rumpun.layer.prepared import open_model
from rumpun.layer.recall import base_beside


@pytest.fixture(autouse=True)
def on_a_processor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RUMPUN_DEVICE", "cpu")
    monkeypatch.setenv("RUMPUN_HOME", str(tmp_path / "home"))


def beside(run: Any, folder: Path, params: TrainParams, weight: float) -> Any:
    recall = base_beside(open_model(folder, params, run.device), weight, run.device)
    return dataclasses.replace(run, recall=recall)


@pytest.mark.parametrize("chunk", [5, 64])
def test_one_step_is_autograds(base_folder: Path, chunk: int) -> None:
    """The products' gradient from passes and chunks, against transformers' own logits in float64."""
    from transformers import AutoModelForCausalLM

    run, params = moved_run(base_folder, micro_tokens=32)
    run = dataclasses.replace(run, device=dataclasses.replace(run.device, chunk_tokens=chunk))
    run = beside(run, base_folder, params, 0.7)
    tokens = torch.randint(3, 250, (5, 16), generator=torch.Generator().manual_seed(1))
    targets = torch.full_like(tokens, -1)
    targets[:, :-1] = tokens[:, 1:]
    targets[1, 3:9] = -1
    recalled = torch.tensor([False, True, True, False, True])
    grads: dict[str, torch.Tensor] = {}
    run.optimizer.step = lambda: grads.update({name: p.grad.clone() for name, p in run.parameters.items()})
    each = one_step(run, tokens, targets, 0.0, None, recalled)

    student = merged_model(base_folder, run, grad=True)
    base = AutoModelForCausalLM.from_pretrained(base_folder, dtype=torch.float64)
    kept = targets.flatten() >= 0
    mine = student(input_ids=tokens).logits.flatten(0, 1)[kept].log_softmax(-1)
    with torch.no_grad():
        said = base(input_ids=tokens).logits.flatten(0, 1)[kept].softmax(-1)
    cross = -mine.gather(1, targets.flatten()[kept].unsqueeze(1)).squeeze(1)
    np.testing.assert_allclose(each.flatten()[kept], cross.detach(), rtol=1e-4, atol=1e-4)
    share = 0.7 * recalled.repeat_interleave(16)[kept].double()
    ((1 - share) * cross - share * (said * mine).sum(-1)).mean().backward()
    for name, module in run.modules.items():
        whole = student.get_submodule(name).weight.grad
        for own, expected in (
            ("b", module.scale * whole @ module.a.detach().double().t()),
            ("a", module.scale * module.b.detach().double().t() @ whole),
        ):
            np.testing.assert_allclose(
                grads[f"{name}.{own}"], expected, rtol=2e-3, atol=1e-5 * float(expected.abs().max()) + 1e-8, err_msg=name
            )  # fmt: skip
