"""Replay with the base's own distributions: one step against autograd, and a run that forgets less than one without."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from preferring import SHAPE, merged_model, moved_run, work

from rumpun.layer.distil.params import LogitsParams
from rumpun.layer.loop import one_step
from rumpun.layer.params import FullParams, Replay, TrainParams
from rumpun.layer.prepared import find_device, open_model, prepare
from rumpun.layer.recall import base_beside
from rumpun.layer.train import train
from rumpun.steps import Input
from rumpun.weights.layer_file import read_layer


@pytest.fixture(autouse=True)
def on_a_processor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RUMPUN_DEVICE", "cpu")
    monkeypatch.setenv("RUMPUN_HOME", str(tmp_path / "home"))


def beside(run: Any, folder: Path, params: TrainParams, weight: float) -> Any:
    recall = base_beside(open_model(folder, params, run.device), weight, run.device)
    return dataclasses.replace(run, recall=recall)


@pytest.mark.parametrize("chunk", [5, 64])
@pytest.mark.parametrize("embeddings_rank", [0, 4])
def test_one_step_is_autograds(base_folder: Path, chunk: int, embeddings_rank: int) -> None:
    """The products' gradient from passes and chunks, against transformers' own logits in float64."""
    from transformers import AutoModelForCausalLM

    run, params = moved_run(base_folder, micro_tokens=32, embeddings_rank=embeddings_rank)
    run = dataclasses.replace(run, device=dataclasses.replace(run.device, chunk_tokens=chunk))
    run = beside(run, base_folder, params, 0.7)
    tokens = torch.randint(3, 250, (5, 16), generator=torch.Generator().manual_seed(1))
    targets = torch.full_like(tokens, -1)
    targets[:, :-1] = tokens[:, 1:]
    targets[1, 3:9] = -1
    recalled = torch.tensor([False, True, True, False, True])
    grads: dict[str, torch.Tensor] = {}
    run.optimizer.step = lambda: grads.update({name: p.grad.clone() for name, p in run.parameters.items()})  # type: ignore[method-assign]
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


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_base_is_a_run_that_has_learnt_nothing(base_folder: Path, precision: str) -> None:
    """Its hidden states are a fresh run's on any device type's precision, and those of each document by itself."""
    params = TrainParams(**SHAPE | {"precision": precision})
    run = beside(prepare(base_folder, params, find_device(params), 1), base_folder, params, 1.0)
    run.refresh()
    tokens = torch.randint(3, 250, (4, 64), generator=torch.Generator().manual_seed(4))
    targets, lines = torch.roll(tokens, -1, 1), torch.tensor([True, False, True, True])
    positions = torch.arange(64).expand(4, 64).clone()
    positions[2, 20:] -= 20
    said = run.recall.says(tokens, targets, positions, lines)
    with torch.no_grad():
        fresh = run.decoder(input_ids=tokens[lines], position_ids=positions[lines], use_cache=False)
        second = run.recall.decoder(input_ids=tokens[2:3, 20:], use_cache=False).last_hidden_state[0]
    close = {"rtol": 1e-5, "atol": 1e-5} if precision == "float32" else {"rtol": 2e-2, "atol": 2e-2}
    torch.testing.assert_close(said.hidden.view(3, 64, -1), fresh.last_hidden_state, **close)
    torch.testing.assert_close(said.hidden.view(3, 64, -1)[1, 20:], second, **close)
    kinds = {name: value.dtype for name, value in run.recall.decoder.named_buffers() if "inv_freq" in name}
    assert kinds
    assert set(kinds.values()) == {torch.float32}  # in bfloat16 late tokens would stand in wrong places


def test_what_stands_behind_an_added_token_is_left_to_the_text(base_folder: Path) -> None:
    """The base has no row for it: the token itself and what follows are the text's, and what stands before it is both's."""
    run, params = moved_run(base_folder)
    old = len(run.table)
    tokens = torch.randint(3, 250, (2, 12), generator=torch.Generator().manual_seed(1))
    tokens[0, 5] = old + 2
    targets = torch.roll(tokens, -1, 1)
    targets[:, -1] = -1
    targets[1, 4] = -1
    recall = beside(run, base_folder, params, 0.5).recall
    said = recall.says(tokens, targets, None, torch.tensor([True, True]))
    told = (said.at >= 0).view(2, 12)
    assert told[0].tolist() == [True] * 4 + [False] * 8  # the fifth's next token is the added one
    assert told[1].tolist() == [place not in (4, 11) for place in range(12)]
    assert said.at[said.at >= 0].tolist() == list(range(14))
    alone = recall.decoder(input_ids=tokens[1:2], use_cache=False).last_hidden_state[0]
    torch.testing.assert_close(said.hidden[4:], alone[told[1]], rtol=1e-4, atol=1e-5)
    assert recall.says(tokens, targets, None, torch.tensor([False, False])) is None
    nothing = torch.full_like(targets, -1)
    assert recall.says(tokens, nothing, None, torch.tensor([True, True])) is None


def apart(folder: Path, layer: Path, params: TrainParams) -> float:
    """Mean KL in nats from the base to base and layer, on a sentence that neither has read."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    run = prepare(folder, params, find_device(params), 1)
    with torch.no_grad():
        for name, numbers in read_layer(layer)[1].items():
            run.parameters[name].copy_(torch.from_numpy(numbers.astype("float32")))
    text = "Grandmother drinks rice in the tea field."
    ids = torch.tensor([AutoTokenizer.from_pretrained(folder)(text)["input_ids"]])
    with torch.no_grad():
        said = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64)(input_ids=ids).logits
        mine = merged_model(folder, run)(input_ids=ids).logits
    p, q = said.log_softmax(-1), mine.log_softmax(-1)
    return float((p.exp() * (p - q)).sum(-1).mean())


def beside_device(params: TrainParams) -> Any:
    from rumpun.layer.prepared import find_device

    return find_device(params)


def test_a_run_with_the_base_beside_it_forgets_less(tmp_path: Path, corpus: Input, base_folder: Path) -> None:
    """Same text, same steps: nearer to the base on English, and Thai, which shares no byte with it, is learnt as well."""
    kept: dict[float, float] = {}
    learnt: dict[float, float] = {}
    for weight in (0.0, 1.0):
        params = TrainParams(
            **SHAPE | {"base": str(base_folder), "tokens": 4096},
            replay=Replay(languages=("en",), share=0.3, base_weight=weight),
        )
        outcome = train.function(params, work(tmp_path / str(weight), corpus))
        kept[weight] = apart(base_folder, tmp_path / str(weight) / "made", params)
        learnt[weight] = outcome.summary["loss"]["th"]["last"]
    assert kept[1.0] < 0.5 * kept[0.0]
    assert learnt[1.0] < 1.1 * learnt[0.0]


@pytest.mark.parametrize(
    ("kind", "more", "words"),
    [
        (TrainParams, {"replay": Replay(base_weight=0.5)}, "of no languages, name some"),
        (TrainParams, {"replay": Replay(languages=("en",), base_weight=1.5)}, "expected 0 to 1"),
        (FullParams, {"replay": Replay(languages=("en",), base_weight=0.5)}, "leave it out"),
        (
            LogitsParams,
            {"teacher": "t", "replay": Replay(languages=("en",), base_weight=0.5)},
            "leave it out",
        ),
    ],
)
def test_what_cannot_be_is_refused(kind: Any, more: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        kind(**more).check()


def test_chat_rows_are_never_the_bases(
    tmp_path: Path, corpus: Input, base_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the sequences of a run, those of the named languages alone are asked of."""
    from rumpun.layer import loop

    asked: list[torch.Tensor] = []
    taken = loop.one_step

    def one(*given: Any) -> torch.Tensor:
        asked.append(given[5])
        return taken(*given)

    monkeypatch.setattr(loop, "one_step", one)
    params = TrainParams(
        **SHAPE | {"base": str(base_folder), "tokens": 2048}, chat_share=0.25,
        replay=Replay(languages=("en",), share=0.25, base_weight=0.5),
    )  # fmt: skip
    summary = train.function(params, work(tmp_path, corpus)).summary
    marked = int(torch.cat(asked).sum())
    assert marked * 64 == summary["tokens_by_source"]["en"]
    assert summary["tokens_by_source"]["chat"] > 0
    assert summary["base_beside"] == "0.5 of the loss in en"
