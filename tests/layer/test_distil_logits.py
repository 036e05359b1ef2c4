"""The step `layer.distil_logits`: its loss against the formula written out, and a layer that comes nearer to its teacher."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from misfits import with_rows
from preferring import SHAPE, as_input, merged_model, moved_run, work

from rumpun.errors import InputError
from rumpun.layer.distil.logits import distil_logits, taught_loss
from rumpun.layer.distil.params import LogitsParams
from rumpun.layer.params import TrainParams
from rumpun.layer.tiny_base import write_tiny_base
from rumpun.layer.train import train
from rumpun.steps import Input
from rumpun.weights.folder import write_folder


@pytest.fixture(autouse=True)
def on_a_processor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RUMPUN_DEVICE", "cpu")
    monkeypatch.setenv("RUMPUN_HOME", str(tmp_path / "home"))


@given(st.integers(0, 10**6), st.floats(0.05, 1.0), st.floats(0.5, 4.0), st.integers(0, 12))
@settings(max_examples=50, deadline=None)
def test_the_loss_is_the_formula(seed: int, weight: float, temperature: float, top_k: int) -> None:
    drawn = np.random.default_rng(seed)
    student, teacher = drawn.normal(0, 3, (5, 9)), drawn.normal(0, 3, (5, 9))
    targets = drawn.integers(0, 9, 5)
    found = taught_loss(
        torch.from_numpy(student), torch.from_numpy(teacher), torch.from_numpy(targets), weight=weight, temperature=temperature,
        top_k=top_k,
    )  # fmt: skip

    def softmax(logits: Any) -> Any:
        raised = np.exp(logits - logits.max())
        return raised / raised.sum()

    for row in range(5):
        cross = -np.log(softmax(student[row])[targets[row]])
        p, q = softmax(teacher[row] / temperature), softmax(student[row] / temperature)
        if 0 < top_k < 9:
            best = np.argsort(-p)[:top_k]
            p, q = (np.append(one[best], np.delete(one, best).sum()) for one in (p, q))
        kl = float((p * np.log(p / q)).sum())
        assert found[row].item() == pytest.approx(
            (1 - weight) * cross + weight * temperature**2 * kl, rel=1e-8
        )


def test_fewer_tokens_told_apart_never_cost_more_and_a_shorter_table_is_cut() -> None:
    drawn = torch.Generator().manual_seed(0)
    student, teacher = torch.randn(6, 40, generator=drawn), torch.randn(6, 32, generator=drawn)
    targets = torch.arange(6) + 33
    losses = [
        taught_loss(student, teacher, targets, weight=1.0, temperature=2.0, top_k=k) for k in (1, 4, 16, 0)
    ]
    for less, more in itertools.pairwise(losses):
        assert (less <= more + 1e-6).all()
    same = taught_loss(student, student[:, :32], targets, weight=1.0, temperature=2.0)
    np.testing.assert_allclose(same, 0.0, atol=1e-6)


@pytest.fixture
def teacher(tmp_path: Path, base_folder: Path) -> Path:
    """The base with random products in its weights: the same tokenizer, another mind."""
    import shutil

    run, _ = moved_run(base_folder)
    shutil.copytree(base_folder, tmp_path / "teacher")
    merged_model(base_folder, run).float().save_pretrained(tmp_path / "teacher")
    return tmp_path / "teacher"


def params(teacher: Path, base: Path, **change: Any) -> LogitsParams:
    shape = SHAPE | {"base": str(base), "teacher": str(teacher), "teacher_licence": "CC0-1.0", "tokens": 4096}
    return LogitsParams(**shape | change)


def test_one_step_is_autograds(teacher: Path, base_folder: Path) -> None:
    """The gradient of the products from a step in passes and chunks, against transformers' own logits in float64."""
    from transformers import AutoModelForCausalLM

    from rumpun.layer.distil.logits import _taught_step

    run, _ = moved_run(base_folder, micro_tokens=16)
    told = params(teacher, base_folder, teacher_weight=0.7, temperature=2.0)
    step = _taught_step(run, base_folder, teacher, told)
    tokens = torch.randint(3, 250, (3, 16), generator=torch.Generator().manual_seed(1))
    targets = torch.full_like(tokens, -1)
    targets[:2, :-1] = tokens[:2, 1:]  # the last row has nothing to learn
    grads: dict[str, torch.Tensor] = {}
    run.optimizer.step = lambda: grads.update({name: p.grad.clone() for name, p in run.parameters.items()})  # type: ignore[method-assign]
    each = step(run, tokens, targets, 0.0)

    student = merged_model(base_folder, run, grad=True)
    theirs = AutoModelForCausalLM.from_pretrained(teacher, dtype=torch.float64)
    kept = targets.flatten() >= 0
    mine = student(input_ids=tokens).logits.flatten(0, 1)[kept]
    said = theirs(input_ids=tokens).logits.flatten(0, 1)[kept].detach()
    cross = torch.nn.functional.cross_entropy(mine, targets.flatten()[kept], reduction="none")
    p, q = (said / 2).softmax(-1), (mine / 2).log_softmax(-1)
    wanted = 0.3 * cross + 0.7 * 4 * (p * (p.log() - q)).sum(-1)
    np.testing.assert_allclose(each.flatten()[kept], wanted.detach(), rtol=1e-4, atol=1e-4)
    assert not each.flatten()[~kept].any()
    wanted.mean().backward()
    for name, module in run.modules.items():
        whole = student.get_submodule(name).weight.grad
        expected = module.scale * whole @ module.a.detach().double().t()
        np.testing.assert_allclose(
            grads[f"{name}.b"],
            expected,
            rtol=2e-3,
            atol=1e-5 * float(expected.abs().max()) + 1e-8,
            err_msg=name,
        )


@pytest.mark.parametrize("top_k", [0, 8])
def test_a_layer_comes_nearer_to_its_teacher(
    tmp_path: Path, corpus: Input, teacher: Path, base_folder: Path, top_k: int
) -> None:
    told = params(teacher, base_folder, teacher_weight=1.0, top_k=top_k)
    outcome = distil_logits.function(told, work(tmp_path / "a", corpus))
    losses = outcome.summary["loss"]
    assert all(edge["last"] < 0.8 * edge["first"] for edge in losses.values())
    assert outcome.summary["teacher_weight"] == 1.0
    entry = next(source for source in outcome.sources if source.role == "teacher")
    assert (entry.licence, len(entry.sha256)) == ("CC0-1.0", 64)
    assert (tmp_path / "a" / "made" / "layer.safetensors").is_file()


def test_it_goes_on_from_a_layer(tmp_path: Path, corpus: Input, teacher: Path, base_folder: Path) -> None:
    first = train.function(
        TrainParams(**SHAPE | {"base": str(base_folder)}), work(tmp_path / "first", corpus)
    )
    layer = as_input(tmp_path / "first" / "made", "layer", summary=first.summary)
    outcome = distil_logits.function(params(teacher, base_folder), work(tmp_path / "a", corpus, layer))
    assert outcome.summary["begun_from"]["layer"] == layer.manifest.id


def test_other_teachers_are_refused(tmp_path: Path, corpus: Input, teacher: Path, base_folder: Path) -> None:
    with pytest.raises(InputError, match="forbids to train other models"):
        distil_logits.function(
            params(teacher, base_folder, teacher_licence="llama2"), work(tmp_path / "a", corpus)
        )
    table = (teacher / "tokenizer.json").read_text(encoding="utf-8")
    assert '"<|im_start|>"' in table
    (teacher / "tokenizer.json").write_text(table.replace("<|im_start|>", "<|begin|>"), encoding="utf-8")
    with pytest.raises(InputError, match="its tokenizer is not that of"):
        distil_logits.function(params(teacher, base_folder), work(tmp_path / "b", corpus))
    with pytest.raises(ValueError, match="teacher_weight"):
        params(teacher, base_folder, teacher_weight=0.0).check()


def test_a_gguf_teaches_too(tmp_path: Path, corpus: Input) -> None:
    base = write_tiny_base(tmp_path / "base.gguf", 3)
    other = write_tiny_base(tmp_path / "other.gguf", 4)
    write_folder(base, tmp_path / "folder")
    told = params(other, tmp_path / "folder", teacher_licence="", teacher_weight=1.0)
    outcome = distil_logits.function(told, work(tmp_path / "a", corpus))
    assert next(source for source in outcome.sources if source.role == "teacher").licence == "CC0-1.0"


def test_a_teacher_whose_tokenizer_has_tokens_without_a_row_is_refused_before_a_step(
    teacher: Path, base_folder: Path
) -> None:
    """Its own files agree with each other, and its tokenizer with the base's: the text would reach past its table."""
    from rumpun.layer.distil.logits import _taught_step

    with_rows(teacher.parent / "short", teacher, 200, told=200)
    run, _ = moved_run(base_folder, micro_tokens=16)
    short = teacher.parent / "short"
    with pytest.raises(InputError, match="the embedding has 200 rows"):
        _taught_step(run, base_folder, short, params(short, base_folder))
