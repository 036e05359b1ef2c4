"""The step `layer.full`: one step is AdamW's, what is written is what was trained, in every family; cut off it goes on."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fully import PARAMS, layer_with_rows, made, work
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from families import FAMILIES, llamacpp_logits, tiny_folder, tokenizer_of, torch_logits
from rumpun.engines.bases import as_gguf
from rumpun.evaluate import step as evaluation
from rumpun.layer.checkpoint import read_more
from rumpun.layer.full import full
from rumpun.layer.loop import one_step
from rumpun.layer.masters import prepare_full
from rumpun.layer.merging.params import CombineModelsParams, ExtractParams
from rumpun.layer.merging.steps import combine_models, extract
from rumpun.layer.params import FullParams, Replay
from rumpun.layer.prepared import find_device
from rumpun.steps import Input
from tiny import TEXTS

BASE_ROW = "model.embed_tokens.weight"


class Cut(Exception):  # noqa: N818
    """Stands for a kill between two steps."""


@pytest.fixture(autouse=True)
def on_a_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUMPUN_DEVICE", "cpu")


def batch(vocabulary: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Tokens, targets of which some are not learnt, and positions of two documents a row."""
    tokens = torch.randint(3, vocabulary, (4, 24), generator=torch.Generator().manual_seed(1))
    targets = torch.full_like(tokens, -1)
    targets[:, :-1] = tokens[:, 1:]
    targets[1, 5:9] = -1
    return tokens, targets, torch.arange(24).remainder(15).expand(4, 24)


def plain_step(
    folder: Path, params: FullParams, vocabulary: int
) -> tuple[float, dict[str, torch.nn.Parameter]]:
    """The same step with transformers' own attention and loss, and torch's plain AdamW."""
    tokens, targets, positions = batch(vocabulary)
    model: Any = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    )
    model.train()
    logits = model(input_ids=tokens, position_ids=positions, use_cache=False).logits
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), params.gradient_clip)
    plain = {"embed_tokens.weight", "lm_head.weight"}
    decays = {
        name: value.ndim == 2 and not any(name.endswith(end) for end in plain)
        for name, value in model.named_parameters()
    }
    groups = [
        {"params": [value for name, value in model.named_parameters() if decays[name] == yes],
         "weight_decay": params.weight_decay * yes}
        for yes in (True, False)
    ]  # fmt: skip
    torch.optim.AdamW(groups, lr=params.learning_rate, betas=(0.9, params.beta2), foreach=False).step()
    return loss.item(), dict(model.named_parameters())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("given", [{"micro_tokens": 24}, {"gradient_checkpointing": True}])
def test_a_step_is_that_of_plain_adamw(family: str, given: dict[str, Any], tmp_path: Path) -> None:
    """In passes of one row, and all at once with checkpointing; every number of the model moves."""
    folder = tiny_folder(tmp_path / family, family)
    params = dataclasses.replace(PARAMS, sequence_tokens=24, **given)
    vocabulary = 250
    loss, want = plain_step(folder, params, vocabulary)
    run = prepare_full(folder, params, find_device(params))
    for group in run.optimizer.param_groups:
        group["lr"] = params.learning_rate
    tokens, targets, positions = batch(vocabulary)
    before = {name: value.detach().clone() for name, value in run.parameters.items()}
    each = one_step(run, tokens, targets, params.gradient_clip, positions)
    assert float(each.sum() / (targets >= 0).sum()) == pytest.approx(loss, rel=1e-5)
    assert run.parameters.keys() == want.keys()
    for name, value in run.parameters.items():
        gradient = want[name].grad
        assert gradient is not None
        first = run.optimizer.state[value]["exp_avg"] / 0.1
        torch.testing.assert_close(first, gradient, atol=1e-7, rtol=1e-3, msg=name)
        # AdamW's first step is g / (|g| + 1e-8): a gradient near 1e-8 tells of rounding, not of the mathematics
        clear = gradient.abs() > 1e-6
        torch.testing.assert_close(value[clear], want[name][clear], atol=1e-5, rtol=0, msg=name)
        assert clear.float().mean() > 0.5 or name.endswith("embed_tokens.weight"), name
        assert not torch.equal(value.detach(), before[name]), name


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_written_computes_what_was_trained(
    family: str, tmp_path: Path, corpus: Input, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tiny_folder(tmp_path / family, family)
    runs: list[Any] = []
    monkeypatch.setattr(
        "rumpun.layer.masters.prepare_full",
        lambda *args, **more: runs.append(prepare_full(*args, **more)) or runs[-1],
    )
    outcome = full.function(
        dataclasses.replace(PARAMS, base=str(base), shard_bytes=100_000), work(tmp_path, corpus)
    )
    said, model = outcome.summary, tmp_path / "made"
    assert said["loss"]["th"]["last"] < said["loss"]["th"]["first"] - 0.05
    assert said["files"] > 1
    tokenizer = tokenizer_of(model)
    texts = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in TEXTS[:4]]
    assert texts == [tokenizer_of(base)(text, add_special_tokens=False)["input_ids"] for text in TEXTS[:4]]
    from rumpun.layer.logits import run_logits

    found = torch_logits(model, texts)
    with torch.no_grad():
        (run,) = runs
        for ids, logits in zip(texts, found, strict=True):
            hidden = run.decoder(input_ids=torch.tensor([ids]), use_cache=False).last_hidden_state[0]
            np.testing.assert_allclose(run_logits(run, hidden).numpy(), logits, atol=2e-5)
    assert (
        max(float(np.abs(a - b).max()) for a, b in zip(found, torch_logits(base, texts), strict=True)) > 0.05
    )

    measured = evaluation.bpb.function(
        evaluation.BpbParams(languages=("th",), documents_max=2, draws=100),
        work(tmp_path / "bpb", corpus, made(model, "model", base)),
    )
    row = measured.summary["languages"]["th"]
    assert row["model"] < row["against"]

    gguf = as_gguf(model)  # what `rumpun up`, `eval` and `edge export` open
    near = 2e-2 if family == "gemma3" else 1e-3
    assert (
        max(float(np.abs(a - b).max()) for a, b in zip(found, llamacpp_logits(gguf, texts), strict=True))
        < near
    )


def test_copies_in_bfloat16_learn_nearly_the_same_and_their_gradients_add_up_in_float32(
    tmp_path: Path, corpus: Input, base_folder: Path
) -> None:
    losses = []
    for precision in ("float32", "bfloat16"):
        params = dataclasses.replace(PARAMS, precision=precision)  # type: ignore[arg-type]
        said = full.function(params, work(tmp_path / precision, corpus)).summary
        assert said["precision"] == precision
        losses.append(said["loss"]["th"]["last"])
    assert losses[0] == pytest.approx(losses[1], abs=0.02)
    params = dataclasses.replace(PARAMS, precision="bfloat16", learning_rate=1e-6)
    run = prepare_full(base_folder, params, find_device(params))
    assert all(value.dtype == torch.float32 for value in run.parameters.values())
    copy = run.decoder.layers[0].mlp.up_proj.weight  # type: ignore[attr-defined]
    number = run.parameters["model.layers.0.mlp.up_proj.weight"]
    start = number.detach().clone()
    for group in run.optimizer.param_groups:
        group["lr"] = 1e-6
    tokens, targets, positions = batch(250)
    for _ in range(3):
        one_step(run, tokens, targets, 0.0, positions)
    assert copy.dtype == torch.bfloat16
    assert copy.grad is None
    moved = (number.detach() - start).abs()
    assert 1e-6 < float(moved.max()) < 4e-6  # a change that bfloat16 would lose
    run.refresh()
    assert torch.equal(copy, number.to(torch.bfloat16))


def test_cut_off_and_started_again_it_gives_the_same_bytes(
    tmp_path: Path, corpus: Input, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = dataclasses.replace(
        PARAMS, precision="bfloat16", measure_steps=3, measure_documents=2, schedule="wsd", replay=Replay(languages=("en",))
    )  # fmt: skip
    whole = full.function(params, work(tmp_path / "whole", corpus)).summary
    clock = iter(range(10**6))  # every look at the clock is a second later: a checkpoint at each step
    monkeypatch.setattr("rumpun.layer.loop.time.monotonic", lambda: float(next(clock)))
    for at in (2, 3, 7):

        def cut(done: float, total: float = 0, note: str = "", at: int = at) -> None:
            if "loss" in note and done >= at * 128:
                raise Cut

        with pytest.raises(Cut):
            full.function(params, work(tmp_path / "cut", corpus, progress=cut))
        assert not (tmp_path / "cut" / "made" / "config.json").exists()
    again = full.function(params, work(tmp_path / "cut", corpus)).summary
    assert again["measured"] == whole["measured"]
    for path in sorted((tmp_path / "whole" / "made").iterdir()):
        assert path.read_bytes() == (tmp_path / "cut" / "made" / path.name).read_bytes(), path.name


def test_the_best_measured_numbers_are_written(
    tmp_path: Path, corpus: Input, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rate that ruins the model behind step 4; with keep = "last" nothing is kept of what was measured."""
    monkeypatch.setattr("rumpun.layer.loop.learning_rate", lambda step, *_: 2e-3 if step < 4 else 1.0)
    for keep in ("best", "last"):
        params = dataclasses.replace(PARAMS, measure_steps=4, measure_documents=2, keep=keep)  # type: ignore[arg-type]
        said = full.function(params, work(tmp_path / keep, corpus)).summary
        assert said["kept_step"] == (4 if keep == "best" else 8)
        best = read_more(tmp_path / keep / "keep")
        written = load_file(tmp_path / keep / "made" / "model.safetensors")
        assert best.keys() == (written.keys() if keep == "best" else set())
        for name, numbers in best.items():
            assert torch.equal(numbers, written[name]), name


@pytest.mark.parametrize("stored", ["folder", "gguf"])
def test_a_layer_is_merged_in_and_all_of_it_trained(
    stored: str, tmp_path: Path, corpus: Input, home: Path
) -> None:
    base = tiny_folder(tmp_path / "llama", "llama")
    base = as_gguf(base) if stored == "gguf" else base
    layer, added = layer_with_rows(tmp_path, base, corpus)
    params = dataclasses.replace(
        PARAMS, base=str(base), measure_steps=4, measure_documents=2, weight_decay=0.0
    )
    said = full.function(params, work(tmp_path / "full", corpus, layer)).summary
    model, start = tmp_path / "full" / "made", tmp_path / "full" / "keep" / "start"
    assert said["begun_from"]["layer"] == layer.manifest.id
    tokenizer = tokenizer_of(model)
    ids = tokenizer("teh <more 1> padi", add_special_tokens=False)["input_ids"]
    assert tokenizer.convert_tokens_to_ids("<more 1>") in ids
    written, begun = (AutoModelForCausalLM.from_pretrained(place) for place in (model, start))
    height = len(written.model.embed_tokens.weight)
    assert height == len(begun.model.embed_tokens.weight) == written.config.vocab_size
    assert tokenizer.convert_tokens_to_ids("<more 2>") == height - 1
    assert written.config.tie_word_embeddings
    # added rows and the places of products move like all others
    for get in (
        lambda m: m.model.embed_tokens.weight[-added:],
        lambda m: m.model.layers[0].self_attn.q_proj.weight,
    ):
        assert not torch.equal(get(written), get(begun))
    # measured against the base alone, which the layer at the start is not
    first = said["measured"]["first"]["languages"]["th"]
    assert first["bpb"] != first["base"]


def test_extracted_at_full_rank_and_merged_it_is_the_model(tmp_path: Path, corpus: Input, home: Path) -> None:
    base = tiny_folder(tmp_path / "qwen", "qwen3")
    full.function(dataclasses.replace(PARAMS, base=str(base)), work(tmp_path / "full", corpus))
    model = made(tmp_path / "full" / "made", "model", base)
    texts = [list(range(5, 45)), list(range(60, 20, -1))]
    want, before = torch_logits(model.folder, texts), torch_logits(base, texts)

    def apart(found: list[np.ndarray]) -> float:
        return max(float(np.abs(a - b).max()) for a, b in zip(want, found, strict=True))

    far, errors = apart(before), []
    for rank in (4, 96):
        place = work(tmp_path / f"rank{rank}", model)
        extract.function(ExtractParams(base=str(base), rank=rank), place)
        layer = made(place.folder, "layer", base)
        again = work(tmp_path / f"merged{rank}", layer)
        combine_models.function(CombineModelsParams(method="linear"), again)
        # norms and rows of tokens are no product's to hold: they are put in as they are
        left: Any = AutoModelForCausalLM.from_pretrained(again.folder, dtype=torch.float32)
        whole: Any = AutoModelForCausalLM.from_pretrained(model.folder, dtype=torch.float32)
        with torch.no_grad():
            for (name, value), (_, true) in zip(
                left.named_parameters(), whole.named_parameters(), strict=True
            ):
                if value.ndim == 1 or name == BASE_ROW or name == "lm_head.weight":
                    value.copy_(true)
            errors.append(apart([left(torch.tensor([ids])).logits[0].numpy() for ids in texts]))
    assert errors[1] < 2e-3 < errors[0] < far


def test_models_of_two_runs_are_combined(tmp_path: Path, corpus: Input, home: Path) -> None:
    base = tiny_folder(tmp_path / "llama", "llama")
    models = []
    for seed in (1, 2):
        place = dataclasses.replace(work(tmp_path / str(seed), corpus), seed=seed)
        full.function(dataclasses.replace(PARAMS, base=str(base)), place)
        models.append(dataclasses.replace(made(place.folder, "model", base), name=str(seed)))
    place = work(tmp_path / "soup", *models)
    combine_models.function(CombineModelsParams(method="linear"), place)
    mean, one, two = (
        AutoModelForCausalLM.from_pretrained(f).model.norm.weight
        for f in (place.folder, *(model.folder for model in models))
    )
    torch.testing.assert_close(mean, (one + two) / 2)


def test_stored_in_bfloat16_it_is_half_as_large(tmp_path: Path, corpus: Input) -> None:
    sizes = []
    for stored in ("float32", "bfloat16"):
        params = dataclasses.replace(PARAMS, stored_precision=stored)  # type: ignore[arg-type]
        said = full.function(params, work(tmp_path / stored, corpus)).summary
        assert json.loads((tmp_path / stored / "made" / "config.json").read_text())["dtype"] == stored
        sizes.append(said["bytes"])
    assert sizes[0] == 2 * sizes[1]
