"""Preference tuning: its losses against the papers written out on transformers' logits, and the step `layer.prefer`."""

import dataclasses
import json
import math
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from preferring import ASKED, SHAPE, as_input, logprob, merged_model, moved_run, pair, work, write_lines

from rumpun.errors import InputError
from rumpun.layer.params import TrainParams
from rumpun.layer.prefer.loop import answer_logprobs, answer_tokens, scores
from rumpun.layer.prefer.losses import preference_loss
from rumpun.layer.prefer.params import PreferParams
from rumpun.layer.prefer.step import prefer
from rumpun.layer.prefer.tokens import read_pairs
from rumpun.layer.tokenizer import Tokenizer
from rumpun.layer.train import train
from rumpun.steps import Input, quiet
from rumpun.weights.layer_file import read_layer

PARAMS = PreferParams(
    base="tiny", epochs=4.0, batch_pairs=4, sequence_tokens=96, micro_tokens=256, learning_rate=5e-3, checkpoint_seconds=1,
    precision="float32",
)  # fmt: skip


class Cut(Exception):  # noqa: N818
    """Stands for a kill between two steps."""


@pytest.fixture(autouse=True)
def on_a_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUMPUN_DEVICE", "cpu")


def some_pairs(folder: Path, base_folder: Path) -> list[Any]:
    path = write_lines(
        folder / "pairs.jsonl", [pair(ASKED[0]), pair(ASKED[1], "ครับ", "ບໍ່"), pair(ASKED[2], "Iya. " * 4)]
    )
    return read_pairs(path, Tokenizer(base_folder), 512, Counter())


@pytest.mark.parametrize("embeddings_rank", [0, 4])
def test_log_probabilities_and_gradients_are_transformers(
    tmp_path: Path, base_folder: Path, embeddings_rank: int
) -> None:
    """DPO's gradient of the products, against autograd through transformers' whole weights in float64."""
    run, _ = moved_run(base_folder, embeddings_rank=embeddings_rank)
    pairs = some_pairs(tmp_path, base_folder)
    reference = torch.tensor([[-30.0, -28.0], [-20.0, -21.0], [-60.0, -33.0]])
    policy = answer_logprobs(run, pairs)
    loss, _ = preference_loss(PARAMS, policy, reference, answer_tokens(pairs))
    loss.mean().backward()

    model = merged_model(base_folder, run, grad=True)
    rows = [[logprob(model, s.ids, s.begin) for s in (p.chosen, p.rejected)] for p in pairs]
    expected = torch.stack([torch.stack(row) for row in rows])
    np.testing.assert_allclose(policy.detach(), expected.detach(), rtol=1e-4, atol=1e-3)
    gained = expected - reference
    plain = -torch.log(1 / (1 + torch.exp(-PARAMS.beta * (gained[:, 0] - gained[:, 1])))).mean()
    assert loss.mean().item() == pytest.approx(plain.item(), rel=1e-4)
    plain.backward()
    for name, module in run.modules.items():
        whole = model.get_submodule(name).weight.grad
        for found, wanted in (
            (module.a.grad, module.scale * module.b.detach().double().t() @ whole),
            (module.b.grad, module.scale * whole @ module.a.detach().double().t()),
        ):
            np.testing.assert_allclose(
                found, wanted, rtol=2e-3, atol=1e-5 * float(wanted.abs().max()) + 1e-7, err_msg=name
            )


@pytest.mark.filterwarnings("ignore")
def test_trl_says_the_same(tmp_path: Path, base_folder: Path) -> None:
    """TRL's DPOTrainer on the same tokens: its loss for dpo and ipo."""
    pytest.importorskip("trl", reason="trl is not installed")
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import DPOConfig, DPOTrainer

    class Given(DPOTrainer):  # the tokens are made already
        def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
            return dataset

    run, _ = moved_run(base_folder)
    pairs = some_pairs(tmp_path, base_folder)
    rows = [
        {"prompt_ids": p.chosen.ids[: p.chosen.begin].tolist(), "chosen_ids": p.chosen.ids[p.chosen.begin :].tolist(),
         "rejected_ids": p.rejected.ids[p.rejected.begin :].tolist()}
        for p in pairs
    ]  # fmt: skip
    start = AutoModelForCausalLM.from_pretrained(base_folder, dtype=torch.float64)
    reference = torch.stack(
        [torch.stack([logprob(start, s.ids, s.begin) for s in (p.chosen, p.rejected)]) for p in pairs]
    ).detach()
    with torch.no_grad():
        policy = answer_logprobs(run, pairs)
    for method, name in (("dpo", "sigmoid"), ("ipo", "ipo")):
        told = dataclasses.replace(PARAMS, method=method)
        ours = preference_loss(told, policy.double(), reference, answer_tokens(pairs).double())[0].mean()
        options = DPOConfig(
            output_dir=str(tmp_path / name), loss_type=[name], beta=PARAMS.beta, report_to=[], use_cpu=True, bf16=False,
            per_device_train_batch_size=3, gradient_checkpointing=False,
        )  # fmt: skip
        trainer = Given(
            model=merged_model(base_folder, run, grad=True), ref_model=start, args=options,
            train_dataset=Dataset.from_list(rows), processing_class=AutoTokenizer.from_pretrained(base_folder),
        )  # fmt: skip
        batch = trainer.data_collator(rows)
        theirs = trainer.compute_loss(trainer.model, batch)
        assert ours.item() == pytest.approx(theirs.item(), rel=1e-4), name


nats = st.floats(-200, -0.5)


@given(
    st.lists(
        st.tuples(nats, nats, nats, nats, st.integers(1, 60), st.integers(1, 60)), min_size=1, max_size=4
    )
)
@settings(max_examples=60, deadline=None)
def test_losses_are_the_papers(rows: list[tuple[float, float, float, float, int, int]]) -> None:
    table = torch.tensor(rows, dtype=torch.float64)
    policy, reference, tokens = table[:, :2], table[:, 2:4], table[:, 4:]
    beta, gamma, smooth = 0.3, 0.2, 0.1

    def sigmoid(x: float) -> float:
        return 1 / (1 + math.exp(-x)) if x > -700 else 0.0

    for method in ("dpo", "ipo", "simpo", "orpo"):
        told = PreferParams(
            method=method, beta=beta, target_margin=gamma if method == "simpo" else 0.0,
            label_smoothing=smooth if method == "dpo" else 0.0,
        )  # fmt: skip
        told.check()
        losses, _ = preference_loss(told, policy, reference, tokens)
        for found, (w, v, rw, rv, nw, nv) in zip(losses.tolist(), rows, strict=True):
            if method == "dpo":
                h = beta * ((w - rw) - (v - rv))
                wanted = -(1 - smooth) * math.log(sigmoid(h)) - smooth * math.log(sigmoid(-h))
            elif method == "ipo":
                wanted = (((w - rw) / nw - (v - rv) / nv) - 1 / (2 * beta)) ** 2
            elif method == "simpo":
                wanted = -math.log(sigmoid(beta * (w / nw - v / nv) - gamma))
            else:
                pw, pl = math.exp(w / nw), math.exp(v / nv)
                odds = math.log(pw / (1 - pw)) - math.log(max(pl, 1e-300) / (1 - pl))
                wanted = -w / nw - beta * math.log(sigmoid(odds)) if pl > 1e-80 and pw > 1e-80 else found
            assert found == pytest.approx(wanted, rel=1e-6, abs=1e-9), method


def test_only_the_last_answer_is_scored(tmp_path: Path, base_folder: Path) -> None:
    turns = [("user", "Halo"), ("assistant", "Halo juga"), ("user", "Apa kabar?")]
    row = pair("x", "Baik", "Buruk") | {"messages": [{"role": r, "content": c} for r, c in turns]}
    tokenizer = Tokenizer(base_folder)
    (found,) = read_pairs(write_lines(tmp_path / "p.jsonl", [row]), tokenizer, 512, Counter())
    for side, said in ((found.chosen, "Baik<|im_end|>"), (found.rejected, "Buruk<|im_end|>")):
        assert tokenizer.inner.decode(side.ids[side.begin :]) == said
        assert tokenizer.inner.decode(side.ids[: side.begin]).endswith(
            "Apa kabar?<|im_end|>\n<|im_start|>assistant\n"
        )


def test_scores_are_kept_and_do_not_depend_on_the_pass(tmp_path: Path, base_folder: Path) -> None:
    run, _ = moved_run(base_folder, micro_tokens=64)
    wide, _ = moved_run(base_folder, micro_tokens=4096)
    pairs = some_pairs(tmp_path, base_folder)
    kept = tmp_path / "kept.safetensors"
    first = scores(run, pairs, keep=kept, progress=quiet)
    np.testing.assert_allclose(first, scores(wide, pairs, progress=quiet), rtol=1e-5)
    run.modules["model.layers.0.self_attn.q_proj"].a.data.zero_()  # kept scores stay what they were
    run.refresh()
    assert torch.equal(first, scores(run, pairs, keep=kept, progress=quiet))
    assert not torch.equal(first, scores(run, pairs, progress=quiet))


@pytest.fixture
def layer(tmp_path: Path, corpus: Input) -> Input:
    params = TrainParams(**SHAPE | {"embeddings_rank": 4})
    outcome = train.function(params, work(tmp_path / "layer", corpus))
    return as_input(tmp_path / "layer" / "made", "layer", summary=outcome.summary, languages=("id", "th"))


@pytest.fixture
def preferences(tmp_path: Path) -> Input:
    folder = tmp_path / "preferences"
    rows = [pair(f"{asked} {n}", rule="given" if n % 2 else "") for asked in ASKED for n in range(4)]
    write_lines(folder / "preferences.jsonl", rows)
    held = [pair(f"{asked} Lagi?", language=tag) for asked in ASKED for tag in ("id", "ms")]
    write_lines(folder / "heldout" / "preferences.jsonl", held)
    return as_input(folder, "preferences")


@pytest.mark.parametrize("method", ["dpo", "ipo", "simpo", "orpo"])
def test_it_learns_to_prefer(tmp_path: Path, layer: Input, preferences: Input, method: str) -> None:
    params = dataclasses.replace(PARAMS, method=method, beta=2.0 if method == "simpo" else 0.1)
    place = {
        "data": {"corpus": "c" * 32, "taken": {"id": 3}}
    }  # in the text, for a stage that goes on from it
    manifest = msgspec.structs.replace(layer.manifest, summary=layer.manifest.summary | place)
    layer = Input(layer.name, layer.folder, manifest)
    outcome = prefer.function(params, work(tmp_path / method, preferences, layer))
    said = outcome.summary
    held = said["held_out"]
    assert said["steps"] == 24
    assert held["pairs"] == 12
    assert held["prompts"] == 6
    assert held["accuracy"] == held["likelier_after"] == 1.0
    assert held["accuracy_interval"][0] < 1.0
    assert held["margin_interval"][0] > 0
    assert set(held["by_language"]) == {"id", "ms"}
    assert said["training"]["last"]["loss"] < said["training"]["first"]["loss"]
    old, new = read_layer(layer.folder)[0], read_layer(tmp_path / method / "made")[0]
    assert (old.rank, old.alpha, old.targets) == (new.rank, new.alpha, new.targets)
    assert said["begun_from"]["layer"] == layer.manifest.id
    assert said["data"] == place["data"]
    steps = [json.loads(line) for line in (tmp_path / method / "made" / "preferences-steps.jsonl").open()]
    assert [line["step"] for line in steps] == list(range(1, 25))


def test_cut_off_and_started_again_it_gives_the_same_bits(
    tmp_path: Path, layer: Input, preferences: Input, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefer.function(PARAMS, work(tmp_path / "whole", preferences, layer))
    clock = iter(range(0, 10**7, 10))  # every look at the clock is ten seconds later: all is kept at once
    monkeypatch.setattr("rumpun.layer.prefer.loop.time.monotonic", lambda: float(next(clock)))
    for words, at in (("scored", 4), ("scored", 20), ("loss", 3), ("loss", 11), ("loss", 24)):

        def cut(done: float, total: float = 0, note: str = "", words: str = words, at: int = at) -> None:
            if words in note and total == 24 and done >= at:
                raise Cut

        with pytest.raises(Cut):
            prefer.function(PARAMS, work(tmp_path / "cut", preferences, layer, progress=cut))
        assert not (tmp_path / "cut" / "made" / "layer.json").exists()
    prefer.function(PARAMS, work(tmp_path / "cut", preferences, layer))
    for name in ("layer.json", "layer.safetensors", "preferences-steps.jsonl"):
        assert (tmp_path / "cut" / "made" / name).read_bytes() == (
            tmp_path / "whole" / "made" / name
        ).read_bytes()


@pytest.mark.slow
def test_killed_in_the_middle_it_gives_the_same_bits(
    tmp_path: Path, layer: Input, preferences: Input
) -> None:
    """A real process, ended by SIGKILL between two checkpoints, and another that goes on."""
    prefer.function(PARAMS, work(tmp_path / "whole", preferences, layer))
    code = """
import sys, time
from pathlib import Path
import torch
torch.set_num_threads(1)
from preferring import as_input, work
from rumpun.layer.prefer.params import PreferParams
from rumpun.layer.prefer.step import prefer

def slowly(done, total=0, note=""):
    if "loss" in note:
        print(done, flush=True)
        time.sleep(0.2)

folder = Path(sys.argv[1])
inputs = as_input(folder / "preferences", "preferences"), as_input(folder / "layer" / "made", "layer")
prefer.function(PreferParams(**eval(sys.argv[2])), work(folder / "killed", *inputs, progress=slowly))
"""
    told = repr({field.name: getattr(PARAMS, field.name) for field in dataclasses.fields(PARAMS)})
    command = [sys.executable, "-c", code, str(tmp_path), told]
    begun = []
    for _ in range(2):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent)
        assert process.stdout is not None
        begun.append(int(process.stdout.readline()))
        for line in process.stdout:
            if (
                int(line) == begun[-1] + 8
            ):  # 1.6 seconds on: a checkpoint of 1 second stands, and steps after it
                process.send_signal(signal.SIGKILL)
                break
        assert process.wait() == -signal.SIGKILL
        process.stdout.close()
    assert 1 == begun[0] < begun[1] < 10
    prefer.function(PARAMS, work(tmp_path / "killed", preferences, layer))
    for name in ("layer.json", "layer.safetensors", "preferences-steps.jsonl"):
        killed, whole = (tmp_path / place / "made" / name for place in ("killed", "whole"))
        assert killed.read_bytes() == whole.read_bytes()


def test_what_cannot_be_learnt_is_named(tmp_path: Path, layer: Input, preferences: Input) -> None:
    with pytest.raises(InputError, match=r"0 pairs for 4 epochs.*36 longer than sequence_tokens") as caught:
        prefer.function(
            dataclasses.replace(PARAMS, sequence_tokens=16), work(tmp_path / "a", preferences, layer)
        )
    assert "sequence_tokens" in caught.value.hint
    path = preferences.folder / "preferences.jsonl"
    for row, words in (
        (pair("x", chosen="same", rejected=" same "), "both answers are the same"),
        (pair("x", chosen=" "), "an answer is empty"),
        (pair("x") | {"messages": [{"role": "assistant", "content": "x"}]}, "the user's last"),
        ({"chosen": "x"}, "missing required field"),
    ):
        write_lines(path, [pair("a"), row])
        with pytest.raises(InputError, match=rf"preferences\.jsonl:2: no preference pair .*{words}"):
            prefer.function(PARAMS, work(tmp_path / "b", preferences, layer))
    with pytest.raises(ValueError, match="target_margin is for simpo"):
        PreferParams(target_margin=1.0).check()
