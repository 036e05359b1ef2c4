"""`rumpun eval tasks` and `score`: their objects, their texts, SEA-HELM's check values."""

import json
from functools import partial

import evaluated
import pytest
from evaluated import lines


@pytest.fixture
def inside(monkeypatch, capsys):
    return partial(evaluated.inside, monkeypatch, capsys)


# --- tasks


def test_the_list_of_tasks(home, inside, tmp_path):
    code, out, _ = inside("tasks", "--json", "--data", tmp_path)
    assert code == 0
    found = json.loads(out)
    assert list(found) == ["tasks", "suites"]
    assert found["suites"]["region"][0] == "reading"
    by = {row["task"]: row for row in found["tasks"]}
    assert list(by["nli"]) == [
        "task",
        "skill",
        "family",
        "about",
        "licence",
        "file",
        "languages",
        "items",
        "counts",
    ]
    assert (by["nli"]["items"], by["nli"]["counts"]["km"], by["nli"]["licence"]) == (132, 12, "CC0-1.0")
    assert by["belebele"]["items"] is None
    code, text, _ = inside("tasks", "--data", tmp_path)
    assert "–: not at hand; --data or RUMPUN_DATA names a mirror of the data folder" in text
    assert [line.split()[0] for line in text.splitlines() if line][1 : len(by) + 1] == list(by)


# --- score


def test_seahelms_check_values_through_the_command(home, inside, tmp_path):
    """Balanced accuracy, questions, summaries, minimal pairs and pragmatics as SEA-HELM's own code gives them."""

    def given(task, language, rows, answers):
        items = lines(tmp_path / "items", [{"id": n} | row for n, row in enumerate(rows)])
        said_so = lines(
            tmp_path / "said", [{"id": str(n), "prediction": one} for n, one in enumerate(answers)]
        )
        code, out, err = inside(
            "score",
            said_so,
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
        return json.loads(out)

    letters = [{"label": label} for label in "AAABBC"]
    found = given("belebele-qa-mc", "id", letters, ["Jawaban: A", None, *(f"Jawaban: {x}" for x in "ABAC")])
    assert found["metrics"]["accuracy"] == pytest.approx(72.22222222222222, abs=1e-9)
    assert found["normalised"] == pytest.approx(58.33333333333333, abs=1e-9)
    assert (found["n"], found["parse_failures"]) == (6, 1)
    assert set(found["ci95"]) == set(found["metrics"])
    asked = [{"label": ["Soekarno"]}, {"label": ["17 Agustus 1945", "Agustus 1945"]}]
    found = given("qa", "id", asked, ["Jawaban: Ir. Soekarno", "Jawaban: agustus 1945"])
    assert found["normalised"] == pytest.approx(100 * (2 / 3 + 1) / 2)
    phenomena = [("A", "scalar_implicatures"), ("B", "scalar_implicatures"), ("A", "presuppositions")]
    rows = [{"label": label, "metadata": {"linguistic_phenomenon": name}} for label, name in phenomena]
    answers = ["Jawaban: A", "Jawaban: A", "Jawaban: A"]
    assert given("pragmatics", "id", rows, answers)["normalised"] == pytest.approx(100 * (0.75 - 0.5) / 0.5)
    assert given("pragmatic-pair", "id", rows, answers)["normalised"] is None
    assert given("mp-r", "id", rows, answers)["normalised"] == pytest.approx(50.0)


def test_seahelms_check_value_of_summaries_through_the_command(home, inside, tmp_path):
    pytest.importorskip("pyonmttok", reason="pyonmttok is not installed")
    meant = ["Pemerintah menaikkan harga BBM hari ini.", "Satu dua tiga", "Gempa 6,5 SR di Palu"]
    answers = ["Harga BBM naik hari ini.", "satu dua empat tiga", "Gempa mengguncang Palu, 6,5 SR"]
    items = lines(tmp_path / "items", [{"id": n, "label": one} for n, one in enumerate(meant)])
    told = lines(
        tmp_path / "said", [{"id": n, "prediction": f"Rangkuman: {one}"} for n, one in enumerate(answers)]
    )
    code, out, _ = inside(
        "score",
        told,
        "--task",
        "abssum",
        "--language",
        "id",
        "--items",
        items,
        "--compat",
        "seahelm",
        "--json",
    )
    assert code == 0
    assert json.loads(out)["normalised"] == pytest.approx(75.03607503607502, abs=1e-9)


def test_the_object_of_a_score_and_its_text(home, inside, tmp_path):
    rows = [
        {"id": n, "text": "Enak.", "label": label}
        for n, label in enumerate(("positive", "negative", "neutral", "neutral"))
    ]
    items = lines(tmp_path / "items", rows)
    told = lines(
        tmp_path / "said",
        [{"id": n, "prediction": one} for n, one in enumerate(("positif", "netral", "entah", None))],
    )
    arguments = ("score", told, "--task", "sentiment", "--language", "id", "--items", items)
    code, out, err = inside(*arguments, "--json")
    assert code == 0
    found = json.loads(out)
    assert list(found) == [
        "task",
        "language",
        "metrics",
        "normalised",
        "n",
        "parse_failures",
        "ci95",
        "errors",
    ]
    assert (found["n"], found["errors"], found["parse_failures"]) == (4, 1, 1)
    assert found["metrics"]["accuracy"] == pytest.approx(1 / 3)
    assert len(found["ci95"]["accuracy"]) == 2
    assert err.startswith("items: "), "the lint's word is a warning"
    code, text, _ = inside(*arguments)
    assert text.splitlines()[0] == "sentiment id: 4 items, 1 null, no answer read in 1"
    assert text.splitlines()[-1].split() == ["normalised", "0.0000"]


def test_many_faults_of_items_are_told_in_a_few_lines(home, inside, tmp_path):
    rows = [
        {"id": n, "question": f"Apa {n}?", "options": ["satu", "satu"], "answer": n % 2} for n in range(40)
    ]
    items = lines(tmp_path / "items", rows)
    told = lines(tmp_path / "said", [{"id": n, "prediction": "A"} for n in range(40)])
    code, _, err = inside("score", told, "--task", "knowledge", "--language", "id", "--items", items)
    assert code == 0
    assert len(err.splitlines()) == 11
    assert "more faults; `rumpun eval lint` lists those of a file" in err
