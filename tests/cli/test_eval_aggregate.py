"""`rumpun eval aggregate`: means of printed scores and of runs, by hand, by SEA-HELM's check values, with what is missing."""

import json
from functools import partial

import evaluated
import numpy as np
import pytest
from evaluated import lines

from engines.openai_server import App, serving
from evaluate.report.report_runs import BASE, LAYER, run
from rumpun.engines.fake import Fake
from rumpun.evaluate.records import write_samples, write_scores


@pytest.fixture
def inside(monkeypatch, capsys):
    return partial(evaluated.inside, monkeypatch, capsys)


def printed(path, task, language, normalised, **more):
    """What `rumpun eval score --json` prints, as far as it is read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    row = {"task": task, "language": language, "metrics": {}, "normalised": normalised, "n": 3, **more}
    path.write_text(json.dumps(row), encoding="utf-8")
    return path


def a_run(folder, **options):
    made = run(**options)
    folder.mkdir(parents=True)
    write_scores(folder / "scores.json", made.scores)
    write_samples(folder / "samples.jsonl", [*made.samples, *made.against])
    return folder, made


def mean_of(told, over, name="", language="", place=0):
    rows = told["models"][place]["means"]
    (row,) = (r for r in rows if (r["over"], r["name"], r["language"]) == (over, name, language))
    return row


def test_our_way_by_hand_names_what_is_missing_and_makes_no_zero_of_it(inside, tmp_path):
    folder = tmp_path / "padi"
    figures = {
        ("sentiment", "id"): 40,
        ("qa", "id"): 60,
        ("nli", "id"): 10,
        ("sentiment", "th"): 20,
        ("causal", "th"): None,
    }
    for number, ((task, language), value) in enumerate(figures.items()):
        printed(folder / f"{number}.json", task, language, value)
    code, out, err = inside("aggregate", folder, "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert list(told) == ["way", "what", "missing_cells", "models"]
    (model,) = told["models"]
    assert list(model) == ["model", "scored", "means", "missing", "zeros", "left_out", "notes", "faults"]
    assert (model["model"], model["scored"], model["notes"], model["faults"]) == ("padi", "rumpun", [], [])
    assert mean_of(told, "skill", "understanding", "id")["value"] == 50
    assert mean_of(told, "language", language="id")["value"] == 30  # of understanding and reasoning
    th = mean_of(told, "language", language="th")
    assert (th["value"], th["missing"]) == (20, ["reasoning"])
    whole = mean_of(told, "all")
    assert (whole["value"], whole["cells"], whole["missing"]) == (35, ["understanding"], ["reasoning"])
    lacking = {(one["task"], one["language"]) for one in model["missing"]}
    assert lacking == {("qa", "th"), ("nli", "th"), ("causal", "id"), ("causal", "th")}
    assert model["left_out"] == [{"language": "th", "task": "causal", "why": "it has no figure of its own"}]
    code, text, _ = inside("aggregate", folder)
    assert code == 0
    assert "mean over all of understanding: 35.0; without reasoning, which not every language has" in text
    assert "missing, and in no mean: " in text
    assert "causal in all languages" in text


def test_a_run_has_the_means_that_it_stored_and_its_costs_are_left_out(inside, tmp_path):
    folder, made = a_run(tmp_path / "run")
    told = json.loads(inside("aggregate", folder, "--json")[1])
    assert [one["model"] for one in told["models"]] == [LAYER, BASE]
    for place, name in enumerate((LAYER, BASE)):
        for language in ("id", "th"):
            stored = next(
                m for m in made.scores.means if (m.model, m.over, m.name) == (name, "language", language)
            )
            assert mean_of(told, "language", language=language, place=place)["value"] == pytest.approx(
                stored.figure.value
            )
    left = {(one["task"], one["why"]) for one in told["models"][0]["left_out"]}
    assert left == {("bpb", "it has no normalised score"), ("tokens", "it has no normalised score")}
    assert {"language": "tl", "task": "grammar"} in told["models"][0]["missing"]
    assert {"language": "lo", "task": "translation-from-english"} in told["models"][1]["missing"]
    # a part of a run in another folder is put beside it, a second figure of one cell is not
    code, _, err = inside("aggregate", folder, a_run(tmp_path / "again", seed=1)[0])
    assert code == 3
    assert f"of {LAYER} stands twice: in {folder}" in err


def scored_theirs(inside, path, task, language, rows, answers):
    folder = path.parent
    items = lines(folder / "items.jsonl", [{"id": n} | row for n, row in enumerate(rows)])
    said = lines(folder / "said.jsonl", [{"id": n, "prediction": one} for n, one in enumerate(answers)])
    code, out, err = inside(
        "score",
        said,
        "--task",
        task,
        "--language",
        language,
        "--items",
        items,
        "--compat",
        "seahelm",
        "--json",
    )
    assert code == 0, err
    path.write_text(out, encoding="utf-8")
    return json.loads(out)


def test_seahelms_leaderboard_from_scores_as_the_command_prints_them(home, inside, tmp_path):
    """The check values of SEA-HELM's notebook: three runs of six labels."""
    labels = "AAABBC"
    for number, right in enumerate(("101101", "111001", "001110")):
        answers = [f"Jawaban: {gold if one == '1' else '?'}" for one, gold in zip(right, labels, strict=True)]
        path = tmp_path / "padi" / f"run-{number}.json"
        path.parent.mkdir(exist_ok=True)
        found = scored_theirs(
            inside, path, "belebele-qa-mc", "id", [{"label": one} for one in labels], answers
        )
        assert found["labels"] == list(labels)
        assert found["values"] == [float(one) for one in right]
    (tmp_path / "padi" / "items.jsonl").unlink()
    code, out, err = inside("aggregate", tmp_path / "padi", "--way", "leaderboard", "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    row = mean_of(told, "task", "belebele-qa-mc", "id")
    assert row["value"] == pytest.approx(54.99999999999999, abs=1e-9)
    assert row["stderr"] == pytest.approx(4.686874692221618, abs=1e-9)
    assert mean_of(told, "sea")["value"] == mean_of(told, "all")["value"] == row["value"]
    (model,) = told["models"]
    assert model["scored"] == "seahelm"
    assert any("5.5 times too small" in fault for fault in model["faults"])
    assert {"language": "id", "task": "sentiment"} in model["missing"]
    code, text, _ = inside("aggregate", tmp_path / "padi", "--way", "leaderboard")
    assert ["id", "55.00", "(4.69)", "55.00", "(4.69)"] in [line.split() for line in text.splitlines()]
    assert "SEA-HELM's leaderboard" in text.splitlines()[0]
    # for the other two ways they are one cell three times
    for way in ("paper", "rumpun"):
        code, _, err = inside("aggregate", tmp_path / "padi", "--way", way)
        assert code == 3
        assert "belebele-qa-mc in id of padi stands twice" in err


def test_the_paper_way_names_the_rest_of_the_main_set_and_the_leaderboard_counts_a_failed_task_as_zero(
    inside, tmp_path
):
    theirs = {"compat": "seahelm", "faults": ["a fault"]}
    printed(tmp_path / "m" / "a.json", "sentiment", "th", 50, values=[1, 0], labels=["x", "y"], **theirs)
    printed(tmp_path / "m" / "b.json", "thai_exam_ic", "th", 10, values=[1, 0], labels=["x", "y"], **theirs)
    printed(tmp_path / "m" / "c.json", "thai_exam_onet", "th", 40, values=[1, 1], labels=["x", "y"], **theirs)
    printed(tmp_path / "m" / "d.json", "nli", "th", None, **theirs)
    printed(tmp_path / "m" / "e.json", "reading", "th", 99, **theirs)
    told = json.loads(inside("aggregate", tmp_path / "m", "--way", "paper", "--json")[1])
    assert mean_of(told, "group", "thai_exam", "th")["value"] == 25
    assert mean_of(told, "language", language="th")["value"] == (50 + 25) / 2
    (model,) = told["models"]
    lacking = {one["task"] for one in model["missing"]}
    assert {"nli", "qa", "abssum"} <= lacking
    assert model["zeros"] == []
    assert model["left_out"][0]["task"] == "reading"
    assert "a fault" in model["faults"]
    told = json.loads(inside("aggregate", tmp_path / "m", "--way", "leaderboard", "--json")[1])
    assert told["models"][0]["zeros"] == [{"language": "th", "task": "nli"}]
    assert mean_of(told, "skill", "nlr", "th")["value"] == 0
    text = inside("aggregate", tmp_path / "m", "--way", "leaderboard")[1]
    assert "without data, and 0 in the means: nli in th" in text


def test_items_of_a_run_go_into_the_leaderboard_and_whose_figures_they_are_is_said(inside, tmp_path):
    folder, made = a_run(tmp_path / "run", models=1, languages=("id", "th"))
    told = json.loads(inside("aggregate", folder, "--way", "leaderboard", "--json")[1])
    (model,) = told["models"]
    own = [s for s in made.samples if (s.task, s.language) == ("causal", "id")]
    scores = np.array([s.score or 0.0 for s in own])
    labels = [s.gold for s in own]
    recall = np.mean([scores[[g == label for g in labels]].mean() for label in set(labels)])
    expected = 100 * max((recall - 0.5) / 0.5, 0)
    assert mean_of(told, "task", "causal", "id")["value"] == pytest.approx(expected)
    assert model["scored"] == "rumpun"
    assert model["notes"][0].startswith(
        "The figures were scored in rumpun's way: the averaging alone is SEA-HELM's"
    )
    assert any(note.startswith("One run: nothing is drawn") for note in model["notes"])
    assert {one["task"] for one in model["left_out"]} >= {"reading", "culture"}
    told = json.loads(inside("aggregate", folder, "--way", "paper", "--json")[1])
    assert "averaging alone is SEA-HELM's" in told["models"][0]["notes"][0]


@pytest.mark.parametrize(
    ("files", "options", "code", "words"),
    [
        ({}, ("{tmp}",), 3, "no .json file is in it"),
        ({}, ("{tmp}/none.json",), 3, "none.json: cannot be read"),
        ({}, (), 2, "FILES"),
        ({"a.json": "{"}, ("{tmp}",), 3, "a.json: no JSON object"),
        ({"a.json": '{"task": "nli"}'}, ("{tmp}",), 3, "a.json: Object missing required field `language`"),
        ({"a.json": "[1]"}, ("{tmp}/a.json",), 3, "a.json: Expected `object`"),
        ({"a.json": ("sentiment", "id", 50)}, ("{tmp}", "--way", "leaderboard"), 3, "a.json: no items' scores in it"),
        ({"a.json": ("reading", "id", 50)}, ("{tmp}", "--way", "paper"), 3, "nothing to average in the way of paper"),
        ({"a.json": ("no-such", "id", 50)}, ("{tmp}",), 3, "no-such in id: no table says its skill"),
        ({"a.json": ("nli", "id", 5)}, ("{tmp}", "--way", "mean"), 2, "--way"),
    ],
)  # fmt: skip
def test_each_fault_is_one_line(inside, tmp_path, files, options, code, words):
    for name, what in files.items():
        if isinstance(what, str):
            (tmp_path / name).write_text(what)
        else:
            printed(tmp_path / name, *what)
    got, out, err = inside("aggregate", *(one.format(tmp=tmp_path) for one in options))
    assert (got, out) == (code, "")
    assert len(err.splitlines()) == 2
    assert words in err.splitlines()[0]


def test_figures_of_both_ways_are_not_put_into_one_mean(inside, tmp_path):
    printed(tmp_path / "m" / "a.json", "sentiment", "th", 50, compat="seahelm")
    printed(tmp_path / "m" / "b.json", "nli", "th", 50)
    code, _, err = inside("aggregate", tmp_path / "m")
    assert code == 3
    assert "a.json was scored in SEA-HELM's way and" in err
    code, out, _ = inside("aggregate", tmp_path / "m" / "a.json", "--name", "padi", "--json")
    assert (code, json.loads(out)["models"][0]["model"]) == (0, "padi")
    assert json.loads(out)["models"][0]["notes"][0].startswith("The figures were scored in SEA-HELM's way")


CONFIG = """
nli:
  name: nli
  competency: nlr
  metric: normalized_accuracy
  languages:
    id:
      max_tokens: 16
      prompt_template:
        preamble: "Jawab dengan format: {answer_tag} A, B atau C."
        task_template: "X: {sentence1} Y: {sentence2}"
        answer_template: "{answer_tag} {label}"
        answer_tag: "Jawaban:"
"""


def test_a_run_that_was_scored_in_seahelms_way_is_averaged_in_it_and_can_be_made_again(
    home, inside, tmp_path
):
    """From the server's answers to the means: figures and items' scores are those of SEA-HELM's own scoring."""
    labels = "AABBC"
    rows = [
        {"id": n, "label": label, "prompts": [{"sentence1": f"Ani membaca buku {n}.", "sentence2": "Ani membaca."}], "metadata": {"language": "id"}}
        for n, label in enumerate(labels)
    ]  # fmt: skip
    items = lines(tmp_path / "nli.jsonl", rows)
    (tmp_path / "config.yaml").write_text(CONFIG)
    with serving(App(Fake(reply=lambda _: "Jawaban: A"), plain=True)) as url:
        options = [
            "--items",
            items,
            "--config",
            tmp_path / "config.yaml",
            "--task",
            "nli",
            "--languages",
            "id",
            "--compat",
            "seahelm",
        ]
        code, _, err = inside("run", url, *options, "--into", tmp_path / "run", "--seed", "3")
    assert code == 0, err
    said = scored_theirs(inside, tmp_path / "same.json", "nli", "id", rows, ["Jawaban: A"] * 5)
    for way in ("paper", "leaderboard", "rumpun"):
        code, out, err = inside("aggregate", tmp_path / "run", "--way", way, "--json")
        assert code == 0, err
        told = json.loads(out)
        alone = json.loads(inside("aggregate", tmp_path / "same.json", "--way", way, "--json")[1])
        assert told["models"][0]["scored"] == alone["models"][0]["scored"] == "seahelm"
        assert mean_of(told, "all")["value"] == pytest.approx(mean_of(alone, "all")["value"])
        assert set(alone["models"][0]["faults"]) <= set(told["models"][0]["faults"])
    assert mean_of(told, "all")["value"] == pytest.approx(said["normalised"])
    command = (
        (tmp_path / "run" / "report.html")
        .read_text(encoding="utf-8")
        .partition("<pre")[2]
        .partition("</pre>")[0]
    )
    assert "--suite" not in command
    for word in (
        url,
        f"--items {items}",
        "--task nli",
        f"--config {tmp_path / 'config.yaml'}",
        "--compat seahelm",
        "--seed 3",
    ):
        assert word in command
