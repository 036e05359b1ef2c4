"""Files of items by path: SEA-HELM's rows and configs as they are, and the native layout."""

import json
import sys

import pytest

from rumpun.errors import InputError, MissingPartError, UsageError
from rumpun.evaluate.public import Prompt, load_path, load_seahelm

ROWS = [
    {"id": 3, "label": "A", "prompts": [{"sentence1": "Ia pulang.", "sentence2": "Ia pergi.", "choice": 2}],
     "metadata": {"language": "id", "category": "x"}},
    {"id": "4", "label": ["satu", "1"], "prompts": [{"text": "Berapa?"}, {"text": "Dan lagi?"}], "metadata": {"language": "id"},
     "kwargs": {"n": 1}, "criteria": ["jelas"]},
    {"id": "5", "label": "B", "prompts": [{"text": "கேள்வி"}], "metadata": {"language": "ta"}},
]  # fmt: skip
CONFIG = """
tags:
  id: "Jawaban:"
nli:
  name: nli
  competency: nlr
  metric_file: a/${.name}.py
  languages:
    id:
      filepath: data/id.jsonl
      max_tokens: 128
      prompt_template:
        preamble: |-
          Anda akan diberikan dua kalimat. Jawab dengan format: "${.answer_tag} ANSWER".
        task_template: |-
          X: {sentence1}
          Y: {sentence2}
        answer_template: "{answer_tag} {label}"
        answer_tag: ${tags.id}
    jv:
      max_tokens: ${...competency}
      prompt_template: ${nli.languages.id.prompt_template}
round: {a: "${round.b}", b: "x ${round.a}"}
lost: {a: "${nowhere.b}"}
"""


def lines(path, found=ROWS):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found), encoding="utf-8")
    return path


def config(tmp_path, text=CONFIG):
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_seahelm_rows_and_config(tmp_path):
    found = load_seahelm(lines(tmp_path / "id.jsonl"), config=config(tmp_path), language="id", task="nli")
    first, second = found.loaded.items
    assert (first.id, first.gold, first.language, first.source) == ("3", ("A",), "id", "nli")
    assert dict(first.fields) == {"sentence1": "Ia pulang.", "sentence2": "Ia pergi.", "choice": "2"}
    assert first.more == {"metadata": {"language": "id", "category": "x"}}
    assert (second.gold, dict(second.fields)) == (("satu", "1"), {"text": "Berapa?"})
    assert (second.more["turns"], second.more["kwargs"]) == (ROWS[1]["prompts"], {"n": 1})
    assert found.loaded.dropped == {"language ta": 1}
    assert found.prompt == Prompt(
        preamble='Anda akan diberikan dua kalimat. Jawab dengan format: "Jawaban: ANSWER".',
        task_template="X: {sentence1}\nY: {sentence2}",
        answer_template="{answer_tag} {label}",
        answer_tag="Jawaban:",
    )
    assert found.config["metric_file"] == "a/nli.py"
    assert found.config["languages"]["jv"]["max_tokens"] == "nlr"
    assert found.config["languages"]["id"]["max_tokens"] == 128


def test_a_template_of_another_language_is_followed(tmp_path):
    found = load_seahelm(lines(tmp_path / "x.jsonl"), config=config(tmp_path), language="jv", task="nli")
    assert found.prompt.answer_tag == "Jawaban:"
    assert (found.loaded.items, found.loaded.missing) == ([], ("jv",))


def test_seahelm_without_a_config_has_no_prompt(tmp_path):
    assert load_seahelm(lines(tmp_path / "x.jsonl"), language="id", task="nli").prompt is None


@pytest.mark.parametrize(
    ("task", "gold"), [("safeguard_general_prompt", "Aman"), ("safeguard_general_response", "Berbahaya")]
)
def test_the_task_says_which_of_two_labels_is_meant(tmp_path, task, gold):
    row = {
        "id": 1,
        "prompt_label": "Aman",
        "response_label": "Berbahaya",
        "prompts": [{"text": "Halo"}],
        "metadata": {},
    }
    (item,) = load_seahelm(lines(tmp_path / "x.jsonl", [row]), language="id", task=task).loaded.items
    assert item.gold == (gold,)
    assert len({"prompt_label", "response_label"} & item.more.keys()) == 1


def test_a_translation_of_seahelm_has_two_languages(tmp_path):
    text = "The children are playing in the garden behind the old school."
    label = "Anak-anak sedang bermain di kebun di belakang sekolah tua itu."
    path = lines(
        tmp_path / "x.jsonl",
        [{"id": 1, "label": label, "prompts": [{"text": text}], "metadata": {"language": "id"}}],
    )
    loaded = load_seahelm(path, language="id", task="translation-en-xx").loaded
    assert loaded.items[0].more["from"] == "en"
    assert loaded.problems == []
    turned = load_seahelm(path, language="id", task="translation-xx-en").loaded
    assert {p.kind for p in turned.problems} == {"wrong language"}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"id": 1, "label": "A"}, "row 1: prompts"),
        ({"id": 1, "label": "A", "prompts": []}, "row 1: prompts"),
        ({"id": 1, "label": "A", "prompts": ["x"]}, "row 1: prompts"),
        ({"label": "A", "prompts": [{}]}, "row 1: no 'id'"),
        ({"id": 1, "label": {"a": 1}, "prompts": [{}]}, "row 1: the label"),
        ({"id": 1, "label": "A", "prompts": [{}], "metadata": "id"}, "row 1: metadata"),
    ],
)
def test_seahelm_rows_that_are_malformed(tmp_path, row, said):
    with pytest.raises(InputError, match=said):
        load_seahelm(lines(tmp_path / "x.jsonl", [row]), language="id", task="nli")


@pytest.mark.parametrize(
    ("task", "language", "kind", "said"),
    [
        ("nlo", "id", UsageError, "no task 'nlo'"),
        ("nli", "th", UsageError, "no language 'th'"),
        ("round", "id", InputError, "go round"),
        ("lost", "id", InputError, r"lost\.a: \$\{nowhere\.b\} leads nowhere"),
        ("tags", "id", UsageError, "no language 'id'"),
    ],
)
def test_a_config_that_cannot_be_meant(tmp_path, task, language, kind, said):
    with pytest.raises(kind, match=said):
        load_seahelm(lines(tmp_path / "x.jsonl"), config=config(tmp_path), language=language, task=task)


@pytest.mark.parametrize("text", ["- a\n- b", "a: [1", "a: !!python/object/apply:os.system ['true']"])
def test_a_config_of_another_form(tmp_path, text):
    with pytest.raises(InputError, match=r"config\.yaml"):
        load_seahelm(lines(tmp_path / "x.jsonl"), config=config(tmp_path, text), language="id", task="a")


# files


def test_a_file_of_either_layout(tmp_path):
    loaded = load_path(lines(tmp_path / "s.jsonl"))
    assert [(item.id, item.language) for item in loaded.items] == [("3", "id"), ("4", "id"), ("5", "ta")]
    native = [
        {"id": "a", "language": "id", "text": "Bagus sekali.", "label": "positive"},
        {"id": "b", "language": "id", "text": "Biasa saja.", "label": "so-so"},
        {"id": "c", "language": "th", "text": "ดีมาก", "label": "positive"},
    ]
    path = lines(tmp_path / "n.jsonl", native)
    loaded = load_path(path, labels=["positive", "negative"], language="id")
    assert [item.id for item in loaded.items] == ["a"]
    assert loaded.dropped == {"label not in set": 1, "language th": 1}
    assert len(load_path(path).items) == 3
    assert load_path(path, language="km").missing == ("km",)


def test_files_without_items(tmp_path):
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(InputError, match="no item in it"):
        load_path(tmp_path / "empty.jsonl")
    with pytest.raises(InputError, match="cannot be read"):
        load_path(tmp_path / "nothing.jsonl")
    with pytest.raises(InputError, match="no language"):
        load_path(lines(tmp_path / "s.jsonl", [{"id": 1, "prompts": [{"text": "x"}]}]))


def test_without_the_library_the_part_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(MissingPartError, match="PyYAML"):
        load_seahelm(tmp_path / "x.jsonl", config=config(tmp_path), language="id", task="nli")
