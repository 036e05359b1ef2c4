"""Merging by recipe and by hand: lineage, licences, the sweep's choice, and targets that are whole or not there."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from msgspec import structs

from rumpun.cli.layer import layer as command
from rumpun.engines.bases import BESIDE, base_of_layer
from rumpun.errors import InputError, UsageError
from rumpun.layer.merging.command import merge_to
from rumpun.layer.merging.held_texts import HeldText, read_held, shared_out
from rumpun.layer.merging.params import (
    CombineModelsParams,
    CombineParams,
    ExtractParams,
    MergeSettings,
    SweepParams,
)
from rumpun.layer.merging.steps import combine, combine_models, extract, sweep_layers
from rumpun.layer.merging.sweep import sweep
from rumpun.recipes.build import build
from rumpun.records.artefacts import read_manifest, verify
from rumpun.records.lineage import walk
from rumpun.steps import Input, Work, quiet, resolve
from rumpun.weights.folder import write_folder
from rumpun.weights.layer_file import read_layer, read_spec
from tiny import TEXTS, tiny_gguf, tiny_layer

LANGUAGES = ("id", "id", "vi", "th", "tl", "my", "km", "lo", "ta", "zh", "en")


@pytest.fixture
def layers(tmp_path):
    """Two layers whose base lies beside them, as a recipe's tiny one does."""
    base = tiny_gguf(tmp_path / "base.gguf", 1)
    made = []
    for place, name in enumerate(("region", "health"), 1):
        tiny_layer(tmp_path / name, base, place)
        (tmp_path / name / BESIDE).write_bytes(base.read_bytes())
        made.append(tmp_path / name)
    return made


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "texts.jsonl"
    rows = [{"text": text, "language": tag} for text, tag in zip(TEXTS, LANGUAGES, strict=True)] + [
        {"text": f"{text} {text[:9]}", "language": tag} for text, tag in zip(TEXTS, LANGUAGES, strict=True)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def work(folder: Path, *folders: Path) -> Work:
    (folder / "out").mkdir(parents=True)
    (folder / "keep").mkdir()
    inputs = tuple(Input(place.name, place, read_manifest(place)) for place in folders)
    return Work(inputs=inputs, folder=folder / "out", scratch=folder / "keep", seed=3, progress=quiet)


def run(*args: object):
    return CliRunner().invoke(command, [str(arg) for arg in args])


def test_the_steps_are_in_the_table():
    for name, kind in (
        ("combine", "layer"),
        ("combine_models", "model"),
        ("extract", "layer"),
        ("sweep", "layer"),
    ):
        assert resolve(f"layer.{name}").kind == kind


def test_a_recipe_says_what_is_wrong_with_a_merge():
    made = build(
        CombineParams, {"method": "ties", "density": [0.5, 0.2], "lambda_": 0.5, "rank": 8}, "steps.x.with"
    )
    assert (made.density, made.lambda_, made.divides) == ((0.5, 0.2), 0.5, True)
    assert build(SweepParams, {"weights": [[1.0, 0.5]], "methods": ["stack"]}, "x").weights == ((1.0, 0.5),)
    with pytest.raises(UsageError, match="method = 'tie'") as found:
        build(CombineModelsParams, {"method": "tie"}, "steps.x.with")
    assert "did you mean 'ties'?" in found.value.hint
    with pytest.raises(UsageError, match=r"density = 2.0, expected 0 to 1"):
        build(CombineParams, {"method": "ties", "density": 2.0}, "steps.x.with")


def test_the_step_combines_its_inputs_in_their_order(tmp_path, layers):
    made = work(tmp_path / "work", *layers)
    asked = CombineParams(method="task_arithmetic", weight=(1.0, 0.5), base="tiny")
    outcome = combine.function(asked, made)
    assert outcome.summary["parents"] == ["region", "health"]
    assert (made.folder / BESIDE).is_file()
    assert [source.role for source in outcome.sources] == ["base"]
    assert read_spec(made.folder).rank == 8
    assert "data" not in outcome.summary  # no parent tells its place in the text
    other = tiny_layer(tmp_path / "other", tiny_gguf(tmp_path / "other.gguf", 9), 2)
    (other / BESIDE).write_bytes((tmp_path / "base.gguf").read_bytes())
    second = work(tmp_path / "second", other)
    with pytest.raises(UsageError, match="base = 'tiny'"):
        combine.function(asked, second)


def test_what_goes_on_from_a_mean_goes_on_where_its_later_parent_ended(tmp_path, layers):
    made = work(tmp_path / "work", *layers)
    begin, end = made.inputs
    places = [{"corpus": "c" * 32, "taken": {"th": count}} for count in (10, 25)]
    told = [
        replace(item, manifest=structs.replace(item.manifest, summary={"data": place}))
        for item, place in zip((begin, end), places, strict=True)
    ]
    outcome = combine.function(CombineParams(method="linear", base="tiny"), replace(made, inputs=tuple(told)))
    assert outcome.summary["data"] == places[1]


def test_the_step_combines_models_and_layers(tmp_path, layers):
    write_folder(tmp_path / "base.gguf", tmp_path / "model")
    made = work(tmp_path / "work", *layers)
    base = str(tmp_path / "base.gguf")
    outcome = combine_models.function(
        CombineModelsParams(method="ties", density=0.5, base=base, models=(str(tmp_path / "model"),)), made
    )
    assert outcome.summary["parents"][-1] == str(tmp_path / "model")
    assert (made.folder / "config.json").is_file()
    assert {source.role for source in outcome.sources} == {"base"}


def test_the_step_extracts_a_layer_from_a_model(tmp_path, layers):
    write_folder(tmp_path / "base.gguf", tmp_path / "tuned", layer=layers[0])
    made = work(tmp_path / "work")
    base = str(tmp_path / "base.gguf")
    outcome = extract.function(ExtractParams(base=base, model=str(tmp_path / "tuned"), rank=4), made)
    assert outcome.summary["error"]["all"] < 2e-3
    assert read_spec(made.folder).base_sha256 == read_spec(layers[0]).base_sha256


def test_by_hand_a_layer_comes_out_with_its_lineage(tmp_path, layers):
    """The manifest names both parents and verifies, and the layer finds its base again."""
    out = tmp_path / "out"
    done = run(
        "merge",
        *layers,
        "--method",
        "ties",
        "--weights",
        "1,0.5",
        "--density",
        "0.5",
        "--rank",
        6,
        "--out",
        out,
        "--json",
    )
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["kind"], told["rank"]) == ("layer", 6)
    assert 0 < told["error"]["all"] < 1
    manifest = verify(out)
    assert manifest.parents == tuple(read_manifest(folder).id for folder in layers)
    assert manifest.licences == ("Apache-2.0",)
    assert walk(out).complete
    assert base_of_layer(out) == out / BESIDE
    again = run("merge", *layers, "--method", "linear", "--out", out)
    assert isinstance(again.exception, UsageError)
    assert "exists already" in again.exception.message


def test_by_hand_models_come_out_as_a_model(tmp_path, layers):
    write_folder(tmp_path / "base.gguf", tmp_path / "one")
    out = tmp_path / "out"
    done = run("merge", tmp_path / "one", layers[0], "--method", "slerp", "--t", "0.3", "--t-filter", "mlp=1",
               "--base", tmp_path / "base.gguf", "--out", out, "--precision", "bfloat16", "--json")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["precision"] == "bfloat16"
    assert verify(out).kind == "model"
    assert {source.role for source in read_manifest(out).sources} == {"base"}


def test_one_layer_still_goes_into_its_base(tmp_path, layers):
    done = run("merge", layers[0], "--out", tmp_path / "folder")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "folder" / "config.json").is_file()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["REGION", "HEALTH"], "2 parents and no --method"),
        (["REGION", "HEALTH", "--method", "tiess"], "--method = 'tiess'"),
        (["REGION", "HEALTH", "--method", "linear", "--weights", "1"], r"weight: 1 values \(1\) for 2 parents"),
        (["REGION", "HEALTH", "--method", "linear", "--weights", "1,x"], "--weights = '1,x'"),
        (["REGION", "HEALTH", "--method", "ties", "--density", "1.2"], "density = 1.2"),
        (["REGION", "HEALTH", "--method", "stack", "--as", "model"], "a stack is of layers"),
        (["REGION", "nothing", "--method", "linear"], "nothing"),
        (["REGION", "HEALTH", "--method", "stack"], "health: stands on the base alone"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_and_nothing_is_left(tmp_path, layers, args, words):
    named = {"REGION": str(layers[0]), "HEALTH": str(layers[1])}
    done = run("merge", *(named.get(arg, arg) for arg in args), "--out", tmp_path / "out")
    assert isinstance(done.exception, UsageError | InputError)
    assert re.search(words, done.exception.message)
    assert done.exception.hint
    assert not [path for path in tmp_path.iterdir() if "out" in path.name]


def test_a_killed_merge_leaves_no_target(tmp_path, layers, monkeypatch):
    """What ends in the middle of writing is never under the target's name."""
    import rumpun.layer.merging.command as module

    def end(*_, **__):
        assert not (tmp_path / "out").exists()
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "write_manifest", end)
    with pytest.raises(KeyboardInterrupt):
        merge_to(tmp_path / "out", [str(f) for f in layers], MergeSettings(method="linear"))
    assert not [path for path in tmp_path.iterdir() if "out" in path.name]


def test_a_sweep_finds_the_planted_best_and_reports_on_other_texts(tmp_path):
    """Tries of known figures: the least wins, a tie goes to the first, others are told with paired intervals."""
    random = np.random.default_rng(0)
    texts = [HeldText("x" * int(random.integers(50, 200)), tag) for tag in ("id", "th") for _ in range(20)]
    noise = {text: 1 + 0.1 * random.standard_normal() for text in texts}
    planted = [1.5, 1.0, 2.0]

    def attempt(level):
        def make(folder):
            (folder / "level").write_text(str(level))
            return {}

        return {"level": level}, make

    seen = []

    def score(folder, some):
        seen.append([id(text) for text in some])
        level = float((folder / "level").read_text())
        return [-level * noise[text] * len(text.text) * np.log(2) for text in some]

    best, table = sweep([attempt(x) for x in planted], texts, score, report_share=0.5, scratch=tmp_path)
    assert best == 1
    assert [row["bits_per_byte"] for row in table["tries"]] == pytest.approx(planted, rel=0.1)
    for row, level in zip(table["tries"], planted, strict=True):
        assert row["interval"][0] < row["bits_per_byte"] < row["interval"][1]
        if level != 1.0:
            apart = row["bits_per_byte"] - table["tries"][1]["bits_per_byte"]
            assert 0 < row["above_best"][0] < apart < row["above_best"][1]
    assert table["report"]["documents"] == 20
    assert not set(seen[-1]) & set(seen[0])
    assert "flatters" in table["warning"]
    assert not list(tmp_path.iterdir())


def test_languages_weigh_alike_in_the_choice(tmp_path):
    """A try that is better on a small language by more than it is worse on a large one wins."""
    texts = [HeldText("x" * 1000, "id")] * 10 + [HeldText("x" * 10, "th")] * 10
    levels = {"a": {"id": 1.0, "th": 2.0}, "b": {"id": 1.1, "th": 1.0}}

    def attempt(name):
        def make(folder):
            (folder / name).touch()
            return {}

        return {"name": name}, make

    def score(folder, some):
        name = next(folder.iterdir()).name
        return [-levels[name][text.language] * len(text.text) * np.log(2) for text in some]

    best, table = sweep([attempt("a"), attempt("b")], texts, score, report_share=0.0, scratch=tmp_path)
    assert best == 1
    assert table["tries"][0]["bits_per_byte"] == 1.5
    assert table["report"] is None


def test_a_share_of_each_language_is_kept_from_the_choice():
    texts = [HeldText(f"{tag}{n}", tag) for tag in ("id", "th") for n in range(10)] + [HeldText("x", "lo")]
    choose, report = shared_out(texts, 0.4, 1)
    assert sorted([*choose, *report], key=str) == sorted(texts, key=str)
    assert [sum(t.language == tag for t in report) for tag in ("id", "th", "lo")] == [4, 4, 0]
    assert shared_out(list(reversed(texts)), 0.4, 1)[1] != []


def test_texts_that_cannot_be_read_are_named(tmp_path):
    path = tmp_path / "texts.jsonl"
    path.write_text('{"text": "a", "language": "id"}\n{"text": "b"}\n')
    with pytest.raises(InputError, match=r"texts.jsonl:2: no object with text and language"):
        read_held(path, 5, 0)
    path.write_text("\n")
    with pytest.raises(InputError, match="no text in it"):
        read_held(path, 5, 0)


def test_a_sweep_by_hand_writes_the_best_layer_with_all_that_was_tried(tmp_path, layers, texts):
    """Through llama.cpp itself: the chosen layer is the one with the least figure, and it is a whole artefact."""
    out = tmp_path / "out"
    done = run(
        "sweep",
        *layers,
        "--texts",
        texts,
        "--methods",
        "task_arithmetic",
        "--lambdas",
        "0.1,1",
        "--out",
        out,
        "--json",
    )
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    figures = [row["bits_per_byte"] for row in told["tries"]]
    assert len(figures) == 6
    assert told["chosen"] == int(np.argmin(figures))
    assert told["report"]["documents"] > 0
    assert json.loads((out / "sweep.json").read_text())["tries"] == told["tries"]
    assert verify(out).parents
    assert read_layer(out)
    assert not (out / ".trying").exists()


def test_a_sweep_of_models_writes_the_best_model(tmp_path, texts):
    """Through transformers: each model alone, and both alike."""
    write_folder(tiny_gguf(tmp_path / "one.gguf", 1), tmp_path / "one")
    write_folder(tiny_gguf(tmp_path / "two.gguf", 2), tmp_path / "two")
    out = tmp_path / "out"
    done = run("sweep", tmp_path / "one", tmp_path / "two", "--texts", texts, "--documents", 1, "--report-share", 0,
               "--out", out, "--json")  # fmt: skip
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    figures = [row["bits_per_byte"] for row in told["tries"]]
    assert (len(figures), told["chosen"], told["report"]) == (3, int(np.argmin(figures)), None)
    assert verify(out).kind == "model"


def test_the_sweep_step_measures_on_a_corpus(tmp_path, layers, corpus):
    from rumpun.records.artefacts import write_manifest

    write_manifest(corpus.folder, corpus.manifest)
    made = work(tmp_path / "work", *layers, corpus.folder)
    outcome = sweep_layers.function(
        SweepParams(weights=((1.0, 0.0), (0.5, 0.5)), base="tiny", documents_max=4), made
    )
    assert len(outcome.summary["tries"]) == 2
    assert (made.folder / "layer.json").is_file()
    assert not list(made.scratch.iterdir())
