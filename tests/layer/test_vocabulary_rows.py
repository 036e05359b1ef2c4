"""Training of added rows: gradients as in transformers, the base's rows untouched, resumed runs the same."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from rumpun.errors import InputError
from rumpun.layer.loss import summed_loss
from rumpun.layer.params import ExtendParams, TrainParams, TuneParams
from rumpun.layer.prepared import Device, prepare
from rumpun.layer.train import train, tune
from rumpun.layer.vocabulary.extend import extend_files
from rumpun.records.artefacts import Maker, Manifest
from rumpun.steps import Input, Work, quiet
from rumpun.weights.folder import write_folder
from rumpun.weights.layer_file import LayerSpec, read_layer, write_layer
from tiny import TEXTS, tiny_gguf, tiny_layer

TAGS = ("id", "ms", "vi", "th", "tl", "my", "km", "lo", "ta", "zh", "en")
SHAPE = {
    "tokens": 1024, "sequence_tokens": 32, "batch_sequences": 4, "rank": 4, "alpha": 8.0, "learning_rate": 1e-2,
    "embeddings_learning_rate": 2e-2, "epochs_max": 50.0, "precision": "float32",
}  # fmt: skip
CPU = Device(torch.device("cpu"), torch.float32, 64, 16)


@pytest.fixture(autouse=True)
def on_a_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUMPUN_DEVICE", "cpu")


def vocabulary(folder: Path, *, tied: bool = True) -> tuple[Path, Input]:
    """A tiny base and a layer of new vocabulary for it."""
    folder.mkdir(parents=True, exist_ok=True)
    gguf = tiny_gguf(folder / "base.gguf", vocabulary=300, tied=tied)
    lines = [{"text": text, "language": tag} for tag, text in zip(TAGS, TEXTS, strict=True) for _ in range(5)]
    (folder / "t.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    params = ExtendParams(base=str(gguf), tokens_max=80, clusters_max=20)
    extend_files([folder / "t.jsonl"], [folder / "t.jsonl"], params, folder / "vocabulary", quiet)
    return gguf, layer_input(folder / "vocabulary", "v" * 32)


def layer_input(folder: Path, key: str) -> Input:
    maker = Maker(step="layer.extend", version=1, params={}, rumpun="0")
    return Input("vocabulary", folder, Manifest(kind="layer", id=key, maker=maker))


def work(folder: Path, *inputs: Input) -> Work:
    (folder / "made").mkdir(parents=True)
    (folder / "keep").mkdir(exist_ok=True)
    return Work(inputs=inputs, folder=folder / "made", scratch=folder / "keep", seed=7, progress=quiet)


@pytest.mark.parametrize(("tied", "embeddings_rank"), [(True, 0), (True, 4), (False, 0)])
def test_gradients_are_those_of_transformers(tmp_path, tied, embeddings_rank):
    gguf = tiny_gguf(tmp_path / "base.gguf", tied=tied)
    layer = tiny_layer(tmp_path / "layer", gguf, targets=(), tokens=("<ก>", "<ข>", "<ค>"))
    rows = {name: found for name, found in read_layer(layer)[1].items() if name.endswith(".rows")}
    write_folder(gguf, tmp_path / "plain")
    write_folder(gguf, tmp_path / "whole", layer=layer)
    import transformers

    reference = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "whole", dtype=torch.float32)
    tokens = torch.tensor([[5, 384, 9, 385, 386, 384, 17, 3], [386, 4, 4, 385, 60, 61, 384, 2]])
    logits = reference(tokens).logits[:, :-1].flatten(0, 1)
    expected = torch.nn.functional.cross_entropy(logits, tokens[:, 1:].flatten(), reduction="sum")
    expected.backward()

    params = TrainParams(**SHAPE, targets=(), embeddings_rank=embeddings_rank)
    run = prepare(tmp_path / "plain", params, CPU, 3, rows)
    run.refresh()
    hidden = run.decoder(input_ids=tokens, use_cache=False).last_hidden_state[:, :-1].flatten(0, 1)
    low = (run.tied.a, run.tied.b, run.tied.scale) if run.tied else None
    loss, _ = summed_loss(hidden, run.table, tokens[:, 1:].flatten(), low_rank=low, rows=run.rows, chunk=5)
    loss.backward()
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-3)
    grads = {"model.embed_tokens.rows": reference.model.embed_tokens.weight.grad[384:]}
    if not tied:
        grads["lm_head.rows"] = reference.lm_head.weight.grad[384:]
    for name, grad in grads.items():
        torch.testing.assert_close(run.parameters[name].grad, grad, rtol=1e-3, atol=1e-3)
    if embeddings_rank:
        whole = reference.model.embed_tokens.weight.grad[:384]
        b = run.parameters["model.embed_tokens.b"]
        a = run.parameters["model.embed_tokens.a"]
        assert b.shape[0] == 384
        torch.testing.assert_close(b.grad, params.scale * whole @ a.detach().t(), rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize("tied", [True, False])
def test_rows_and_products_are_learnt_together(tmp_path, corpus, tied):
    gguf, found = vocabulary(tmp_path, tied=tied)
    params = TrainParams(base=str(gguf), **SHAPE | {"tokens": 6144})
    outcome = train.function(params, work(tmp_path / "run", corpus, found))
    losses = outcome.summary["loss"]
    assert all(losses[tag]["last"] < losses[tag]["first"] for tag in ("th", "my", "km", "ta"))
    assert outcome.summary["added_tokens"] == 80
    spec, tensors = read_layer(tmp_path / "run" / "made")
    before_spec, before = read_layer(found.folder)
    assert (spec.tokens, spec.merges) == (before_spec.tokens, before_spec.merges)
    assert set(before) <= set(tensors)
    assert all(not np.array_equal(before[name], tensors[name]) for name in before)
    assert any(name.endswith("q_proj.b") for name in tensors)
    write_folder(gguf, tmp_path / "whole", layer=tmp_path / "run" / "made")  # it fits its base


def test_rows_alone_leave_the_base_as_it_is(tmp_path, corpus):
    gguf, found = vocabulary(tmp_path)
    train.function(TrainParams(base=str(gguf), **SHAPE, targets=()), work(tmp_path / "run", corpus, found))
    spec, tensors = read_layer(tmp_path / "run" / "made")
    assert spec.targets == ()
    assert set(tensors) == {"model.embed_tokens.rows"}


def test_a_run_cut_off_ends_the_same(tmp_path, corpus, monkeypatch):
    gguf, found = vocabulary(tmp_path)
    params = TrainParams(base=str(gguf), **SHAPE, checkpoint_seconds=1)
    train.function(params, work(tmp_path / "whole", corpus, found))
    from rumpun.layer import loop

    clock = iter(range(0, 10_000_000, 100))  # a checkpoint after every step
    monkeypatch.setattr(loop.time, "monotonic", lambda: float(next(clock)))
    taken = loop.one_step
    count = iter(range(100))

    def one_step(*given):
        if next(count) == 4:
            raise KeyboardInterrupt
        return taken(*given)

    monkeypatch.setattr(loop, "one_step", one_step)
    cut = work(tmp_path / "cut", corpus, found)
    with pytest.raises(KeyboardInterrupt):
        train.function(params, cut)
    assert (cut.scratch / "state.safetensors").is_file()
    monkeypatch.setattr(loop, "one_step", taken)
    train.function(params, cut)
    for name in ("layer.safetensors", "layer.json", "losses.jsonl"):
        assert (tmp_path / "cut" / "made" / name).read_bytes() == (
            tmp_path / "whole" / "made" / name
        ).read_bytes()


def test_tuning_carries_rows_tokens_and_chat_form(tmp_path, corpus):
    gguf, found = vocabulary(tmp_path)
    train.function(TrainParams(base=str(gguf), **SHAPE), work(tmp_path / "first", corpus, found))
    made = tmp_path / "first" / "made"
    spec, tensors = read_layer(made)
    fields = {name: getattr(spec, name) for name in spec.__struct_fields__}
    write_layer(made, LayerSpec(**fields | {"chat_template": "{{ messages[0]['content'] }}"}), tensors)
    still = TuneParams(base=str(gguf), **SHAPE | {"learning_rate": 1e-9, "embeddings_learning_rate": 1e-9})
    outcome = tune.function(still, work(tmp_path / "second", corpus, layer_input(made, "a" * 32)))
    after_spec, after = read_layer(tmp_path / "second" / "made")
    assert (after_spec.tokens, after_spec.merges) == (spec.tokens, spec.merges)
    assert after_spec.chat_template == "{{ messages[0]['content'] }}"
    for name, numbers in tensors.items():
        np.testing.assert_allclose(after[name], numbers, atol=2e-6)
    assert outcome.summary["begun_from"]["layer"] == "a" * 32


def test_what_does_not_fit_is_refused(tmp_path, corpus):
    gguf, found = vocabulary(tmp_path)
    other = tiny_gguf(tmp_path / "other.gguf", 5, vocabulary=300)
    with pytest.raises(InputError, match="base_sha256"):
        train.function(TrainParams(base=str(other), **SHAPE), work(tmp_path / "a", corpus, found))
    with pytest.raises(InputError, match="nothing to train"):
        train.function(TrainParams(base=str(gguf), **SHAPE, targets=()), work(tmp_path / "b", corpus))
    train.function(TrainParams(base=str(gguf), **SHAPE), work(tmp_path / "c", corpus, found))
    products = layer_input(tmp_path / "c" / "made", "a" * 32)
    with pytest.raises(InputError, match="holds products already"):
        train.function(TrainParams(base=str(gguf), **SHAPE), work(tmp_path / "d", corpus, products))
    write_folder(gguf, tmp_path / "plain")
    rows = read_layer(found.folder)[1]
    with pytest.raises(InputError, match="wide"):
        prepare(
            tmp_path / "plain",
            TrainParams(**SHAPE),
            CPU,
            3,
            {name: row[:, :32] for name, row in rows.items()},
        )
    with pytest.raises(InputError, match=r"needs model\.embed_tokens\.rows"):
        prepare(
            tmp_path / "plain",
            TrainParams(**SHAPE),
            CPU,
            3,
            rows | {"lm_head.rows": next(iter(rows.values()))},
        )
