"""`rumpun eval run --items`: one's own items and SEA-HELM's files, in real processes and with a real model."""

import json
from functools import partial

import evaluated
import pytest
from commands import rumpun, said
from evaluated import lines

from engines.openai_server import App, serving
from rumpun.engines.fake import Fake

QUIZ = [
    {"id": n, "language": tag, "question": f"{n} + 1 = ?", "options": ["2", "3", "4"], "answer": n - 1}
    for tag in ("id", "en") for n in (1, 2, 3)
]  # fmt: skip
SHAPES = {
    "quiz": QUIZ,
    "pairs": [{"id": 1, "language": "en", "good": "The boys are here.", "bad": "The boys is here."}],
    "calls": [{"id": n, "language": "ms", "text": "Lampu rosak.", "label": label} for n, label in enumerate(("aduan", "pujian"))],
    "open": [{"id": 1, "language": "en", "question": "How many legs has a dog?", "references": ["four", "4"]}],
    "words": [{"id": 1, "language": "shn", "prompt": "1 + 1 =", "options": ["2", "3"], "answer": 0}],
}  # fmt: skip
ROWS = [
    {"id": n, "label": label, "prompts": [{"text": text}], "metadata": {"language": "id"}}
    for n, (text, label) in enumerate((("Bagus!", "Positif"), ("Jelek.", "Negatif")))
]  # fmt: skip
CONFIG = """
sentiment:
  competency: nlu
  metric: normalized_accuracy
  fewshot_num_examples: {instruct: 1, base: 5}
  languages:
    id:
      example_filepath: someone/hub-data
      max_tokens: 32
      prompt_template:
        preamble: 'Jawab dengan "{answer_tag} ANSWER".'
        task_template: "Kalimat: {text}"
        answer_template: "{answer_tag} {label}"
        answer_tag: "Jawaban:"
"""


@pytest.fixture
def inside(monkeypatch, capsys):
    return partial(evaluated.inside, monkeypatch, capsys)


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


def first():
    """A server without probabilities that always chooses the first option or says one word."""
    return App(Fake(reply=lambda _: "Jawaban: A"), plain=True)


def test_ones_own_items_run_diff_and_plan_as_a_suite_does(home, tmp_path):
    quiz = lines(tmp_path / "kuis.jsonl", QUIZ)
    server, other = first(), App(Fake(reply=lambda _: "Jawaban: B"), plain=True)
    with serving(server) as url, serving(other) as url_b:
        command = ["eval", "run", url, "--items", quiz, "--against", url_b, "--into", tmp_path / "run"]
        scores = said(rumpun(*command, "--json"))
        count = len(server.bodies)
        shown = rumpun(*command)
        assert shown.returncode == 0, shown.stderr
        assert len([b for b in server.bodies[count:] if "kuis" in json.dumps(b)]) == 0
        assert "0 questions asked, 12 answered from before" in shown.stdout
    assert scores["suite"].startswith("kuis.jsonl sha256:")
    assert scores["made"]["languages"] == ["id", "en"]
    assert [(c["task"], c["language"], c["metrics"]["accuracy"]["value"]) for c in scores["cells"][:2]] == [
        ("kuis", "id", pytest.approx(1 / 3)), ("kuis", "en", pytest.approx(1 / 3)),
    ]  # fmt: skip
    flipped = said(rumpun("eval", "diff", tmp_path / "run", tmp_path / "run", "--json"))
    assert flipped["flips"]
    assert "kuis" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    plan = said(rumpun("eval", "run", "no-such-model", "--items", quiz, "--plan", "--limit", "2", "--json"))
    assert [(c["task"], c["items"], c["left"]) for c in plan["cells"]] == [("kuis", 2, 1)] * 2


def test_seahelms_rows_are_asked_in_its_words_and_what_is_missing_is_said(home, tmp_path, config):
    rows = lines(tmp_path / "rows.jsonl", ROWS)
    server = App(Fake(reply=lambda _: "Jawaban: Positif"), plain=True)
    with serving(server) as url:
        command = ["eval", "run", url, "--items", rows, "--config", config, "--task", "sentiment", "--languages", "id"]  # fmt: skip
        done = rumpun(*command, "--into", tmp_path / "a")
        theirs = said(rumpun(*command, "--into", tmp_path / "b", "--compat", "seahelm", "--json"))
    assert done.returncode == 0, done.stderr
    assert "sentiment in id was asked with 0 of 1 examples: someone/hub-data is no file here" in done.stdout.splitlines()  # fmt: skip
    asked = [body["messages"] for body in server.bodies if "Kalimat" in json.dumps(body)]
    assert [{"role": "user", "content": 'Jawab dengan "Jawaban: ANSWER".\n\nKalimat: Bagus!'}] in asked
    assert {body["max_tokens"] for body in server.bodies if "Kalimat" in json.dumps(body)} == {32}
    (cell,) = theirs["cells"]
    assert cell["metric"] == "seahelm.normalized_accuracy"
    assert cell["metrics"]["seahelm.accuracy"]["value"] == 50.0
    assert theirs["made"]["compat"] == "seahelm"
    assert (tmp_path / "b" / "report.html").read_text(encoding="utf-8").count("seahelm-sentiment")


@pytest.mark.base
def test_the_base_is_asked_every_shape(home_with_base, tmp_path, inside):
    files = [lines(tmp_path / f"{name}.jsonl", rows[:2]) for name, rows in SHAPES.items()]
    options = [part for file in files for part in ("--items", file)]
    code, out, err = inside(
        "run", "base", *options, "--max-tokens", "8", "--into", tmp_path / "run", "--json"
    )
    assert code == 0, err
    cells = {c["task"]: c for c in json.loads(out)["cells"]}
    assert {name: c["method"] for name, c in cells.items()} == dict.fromkeys(SHAPES, "likelihood") | {
        "open": "generate"
    }
    assert all(c["scored"] == c["items"] for name, c in cells.items() if name != "open")
    samples = [json.loads(line) for line in (tmp_path / "run" / "samples.jsonl").read_text().splitlines()]
    assert {s["tokens"][1] <= 8 for s in samples if s["task"] == "open"} == {True}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--items", "{quiz}", "--suite", "region"), 2, "--items and --suite both"),
        (("--items", "{quiz}", "--tasks", "nli"), 2, "--items and --tasks both"),
        (("--config", "{config}"), 2, "--config without --items"),
        (("--task", "nli"), 2, "--task without --items"),
        (("--labels", "a,b"), 2, "--labels without --items"),
        (("--compat", "seahelm"), 2, "--compat without --items"),
        (("--items", "{quiz}", "--compat", "seahelm"), 2, "--compat without --config"),
        (("--items", "{quiz}", "--compat", "helm"), 2, "--compat"),
        (("--items", "{quiz}", "--config", "{config}"), 2, "--config without --task"),
        (("--items", "{quiz}", "--config", "{config}", "--task", "sentiment"), 3, "no 'prompts'"),
        (("--items", "{rows}", "--config", "{config}", "--task", "nli"), 2, "no task 'nli'"),
        (("--items", "{rows}", "--config", "{config}", "--task", "sentiment", "--languages", "th"), 2, "no language 'th'"),
        (("--items", "{rows}", "--items", "{quiz}", "--config", "{config}", "--task", "sentiment"), 2, "--config with 2 files"),
        (("--items", "{tmp}/none"), 3, "none: cannot be read"),
        (("--items", "{config}"), 3, "config.yaml: line 2"),
        (("--items", "{mixed}"), 3, "row 2 has good and bad, and row 1 has options"),
        (("--items", "{quiz}", "--labels", "a,b"), 2, "--labels: the items of"),
        (("--items", "{twice}"), 3, "2 items in id have the id 1"),
        (("--items", "{quiz}", "--max-tokens", "0"), 2, "--max-tokens"),
        (("--items", "{quiz}", "--runs", "3"), 2, "3 runs at temperature 0"),
    ],
)  # fmt: skip
def test_each_fault_is_one_line_with_its_mend_and_its_code(home, tmp_path, config, inside, arguments, code, words):  # fmt: skip
    names = {
        "tmp": tmp_path, "config": config, "quiz": lines(tmp_path / "kuis.jsonl", QUIZ), "rows": lines(tmp_path / "rows.jsonl", ROWS),
        "mixed": lines(tmp_path / "mixed.jsonl", [QUIZ[0], *SHAPES["pairs"]]), "twice": lines(tmp_path / "twice.jsonl", [QUIZ[0]] * 2),
    }  # fmt: skip
    got, out, err = inside("run", "no-such-model", *(argument.format(**names) for argument in arguments))
    assert (got, out) == (code, "")
    told = [line for line in err.splitlines() if not line.startswith("items: ")]
    assert len(told) == 2, err
    assert told[0].startswith("rumpun: ")
    assert words in told[0]
    assert told[1].startswith("  ")
