"""Files of one's own items: which task each becomes, how it is asked and scored, and what is refused before it is."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from fake_runs import INFO, Counting, asked
from hypothesis import given
from hypothesis import strategies as st

from rumpun.engines.fake import Fake
from rumpun.errors import InputError, UsageError
from rumpun.evaluate.own_items import own_file
from rumpun.evaluate.prompts import prompts
from rumpun.evaluate.records import Sample
from rumpun.evaluate.run import Plan, Settings, scores_of
from rumpun.evaluate.runs import plan_items
from rumpun.language.tables import WORKING

Row = Mapping[str, Any]
QUIZ: list[Row] = [
    {"id": 1, "language": "id", "question": "Apa ibu kota Jawa Barat?", "options": ["Semarang", "Bandung"], "answer": 1},
    {"id": 2, "language": "id", "question": "Berapa kaki ayam?", "options": ["Dua", "Empat"], "answer": 0},
    {"id": 1, "language": "th", "question": "วันแรกของสัปดาห์คือวันใด", "options": ["จันทร์", "ศุกร์"], "answer": 0},
]  # fmt: skip
PAIRS: list[Row] = [{"id": "p", "language": "en", "good": "The boys are here.", "bad": "The boys is here."}]
CALLS: list[Row] = [
    {"id": "a", "language": "ms", "text": "Lampu jalan rosak.", "label": "aduan"},
    {"id": "b", "language": "ms", "text": "Terima kasih.", "label": "pujian"},
]
OPEN: list[Row] = [
    {"id": "t", "language": "en", "question": "How many legs has a dog?", "references": ["four", "4"]}
]
SEAHELM: list[Row] = [
    {"id": n, "label": label, "prompts": [{"text": "Ya."}], "metadata": {"language": "id"}} for n, label in enumerate(("Baik", "Buruk"))
]  # fmt: skip
OWN_WORDS: list[Row] = [
    {"id": "s", "language": "shn", "prompt": "1 + 1 =", "options": ["2", "3"], "answer": 0},
    {"id": "e", "language": "en", "prompt": "The sky is", "options": ["red", "blue"], "answer": 1},
]


def lines(path: Path, rows: Sequence[Row]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def planned(tmp_path: Path, rows: Sequence[Row], *, file: str = "mine.jsonl", **options: Any) -> Plan:
    own = {key: options.pop(key) for key in ("name", "labels") if key in options}
    settings = Settings(languages=tuple(options.pop("languages", ())), **options)
    return plan_items([lines(tmp_path / file, rows)], settings, **own)


def run(made: Plan, tmp_path: Path, engine: Fake | None = None) -> list[Sample]:
    samples, not_run, _ = asked(made, engine or Fake(), tmp_path / "cache")
    assert not_run == []
    return samples


# --- which task


@pytest.mark.parametrize(
    ("rows", "family", "prompt"),
    [
        (QUIZ, "choice", "question"),
        ([{**row, "passage": "Teks."} for row in QUIZ], "choice", "reading"),
        ([{"id": 1, "language": "id", "premise": "Ia jatuh.", "asks": "cause", "options": ["a", "b"], "answer": 0}], "choice", "causal"),
        (OWN_WORDS, "choice", ""),
        (PAIRS, "pairs", ""),
        (CALLS, "label", "label"),
        ([{**row, "label": label} for row, label in zip(CALLS, ("travel", "health"), strict=True)], "label", "topic"),
        ([{"id": n, "language": "id", "text": "Ya.", "label": label} for n, label in enumerate(("positive", "neutral", "negative"))],
         "label", "sentiment"),
        ([{"id": n, "language": "id", "text": "Ya.", "label": label} for n, label in enumerate(("positive", "negative"))],
         "label", "label"),
        ([{"id": n, "language": "id", "premise": "A.", "hypothesis": "B.", "label": label}
          for n, label in enumerate(("entailment", "neutral", "contradiction"))], "label", "nli"),
        (SEAHELM, "label", "label"),
        (OPEN, "text", "open"),
        ([{**row, "passage": "A text."} for row in OPEN], "text", "extract"),
    ],
)  # fmt: skip
def test_a_file_becomes_the_task_that_its_rows_say(tmp_path: Path, rows: Sequence[Row], family: str, prompt: str) -> None:  # fmt: skip
    made = planned(tmp_path, rows)
    (one,) = made.tasks
    assert (one.name, one.skill, one.family, one.prompt) == ("mine", "own", family, prompt)
    assert sum(len(cell.items) for cell in made.cells) == len(rows)
    assert made.settings.languages == tuple(dict.fromkeys(row.get("language", "id") for row in rows))
    assert (made.missing, made.not_run, made.dropped) == ((), (), {})


def test_the_name_and_the_digest_of_the_file_are_the_suites(tmp_path: Path) -> None:
    made = planned(tmp_path, QUIZ)
    digest = hashlib.sha256((tmp_path / "mine.jsonl").read_bytes()).hexdigest()
    assert made.suite == f"mine.jsonl sha256:{digest}"
    scores = scores_of(made, [INFO], [run(made, tmp_path)], [], 1.0)
    assert scores.suite == made.suite
    assert scores.made["items"] == [str(tmp_path / "mine.jsonl")]
    assert scores.made["files"] == [
        {"task": "mine", "file": "mine.jsonl", "sha256": digest, "items": 3, "prompt": "question"}
    ]


def test_a_task_of_ours_lends_its_prompt_its_skill_and_its_labels(tmp_path: Path) -> None:
    rows = [{"id": 1, "language": "th", "text": "อร่อยมาก", "label": "positive"}]
    made = planned(tmp_path, rows, name="sentiment")
    (one,) = made.tasks
    assert (one.skill, one.prompt, one.labels_in("th")) == (
        "understanding", "sentiment", ("positive", "neutral", "negative"),
    )  # fmt: skip
    (sample,) = run(made, tmp_path)
    assert sample.options == ["positive", "neutral", "negative"]
    assert sample.template.startswith("th/sentiment/cloze/")


@pytest.mark.parametrize(("name", "way"), [("into", ("th", "en")), ("from", ("en", "th"))])
def test_translations_need_no_more_than_text_and_references(tmp_path: Path, name: str, way: tuple[str, str]) -> None:  # fmt: skip
    made = planned(
        tmp_path,
        [{"id": 1, "language": "th", "text": "x", "references": ["y"]}],
        name=f"translation-{name}-english",
    )
    more = made.cells[0].items[0].more
    assert (more["from"], more["to"]) == way
    (sample,) = run(made, tmp_path)
    assert set(sample.scores) == {"chrf"}


def test_tasks_without_a_right_answer_take_files_too(tmp_path: Path) -> None:
    passages = [{"id": 1, "language": "my", "passage": "မြို့"}]
    assert {s.method for s in run(planned(tmp_path, passages, name="bpb"), tmp_path)} == {"count"}
    rules = [
        {
            "id": 1,
            "language": "en",
            "prompt": "Two words.",
            "more": {"rules": {"words": {"relation": "at most", "count": 2}}},
        }
    ]
    (sample,) = run(
        planned(tmp_path, rules, name="instructions"), tmp_path, Fake(reply=lambda _: "one two three")
    )
    assert sample.scores["words"] == 0.0


def test_files_with_one_name_have_tasks_with_several(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    files = [
        lines(tmp_path / "nli.jsonl", QUIZ), lines(tmp_path / "a.jsonl", PAIRS), lines(tmp_path / "a.json", OPEN),
    ]  # fmt: skip
    made = plan_items(files, Settings(languages=()))
    assert [one.name for one in made.tasks] == ["nli.jsonl", "a.jsonl", "a.json"]
    with pytest.raises(UsageError, match=r"two files are called a\.jsonl"):
        plan_items([*files, lines(tmp_path / "other" / "a.jsonl", PAIRS)], Settings(languages=()))


# --- how it is asked


def test_every_shape_is_asked_and_scored_in_each_way(tmp_path: Path) -> None:
    files = [
        lines(tmp_path / f"{name}.jsonl", rows)
        for name, rows in {
            "quiz": QUIZ,
            "pairs": PAIRS,
            "calls": CALLS,
            "open": OPEN,
            "words": OWN_WORDS,
        }.items()
    ]
    by = Counter[str]()
    for method in ("likelihood", "letters", "generate"):
        made = plan_items(files, Settings(languages=(), method=method))
        samples = run(made, tmp_path)
        assert Counter(s.task for s in samples) == {"quiz": 3, "pairs": 1, "calls": 2, "open": 1, "words": 2}
        assert all(s.score is not None for s in samples)
        by.update(f"{s.task} {s.method}" for s in samples)
        cells = scores_of(made, [INFO], [samples], [], 1.0).cells
        assert {c.skill for c in cells} == {"own"}
        assert all(c.normalised is not None for c in cells)
    assert set(by) == {
        "quiz likelihood", "quiz letters", "quiz generate", "pairs likelihood", "calls likelihood", "calls generate", "open generate",
        "words likelihood", "words letters", "words generate",
    }  # fmt: skip


def test_an_items_own_words_are_all_that_is_put_in_any_language(tmp_path: Path) -> None:
    engine = Counting()
    run(planned(tmp_path, OWN_WORDS), tmp_path, engine)
    assert set(engine.seen) == {
        ("1 + 1 =", " 2"), ("1 + 1 =", " 3"), ("The sky is", " red"), ("The sky is", " blue"),
    }  # fmt: skip
    talk = run(
        planned(tmp_path, OWN_WORDS, method="generate"), tmp_path, Fake(reply=lambda _: "The answer is A")
    )
    assert {s.id: s.prompt[0]["content"] for s in talk if isinstance(s.prompt, list)} == {
        "s": "1 + 1 =\nA. 2\nB. 3", "e": "The sky is\nA. red\nB. blue",
    }  # fmt: skip
    assert {s.id: s.score for s in talk} == {"s": 1.0, "e": 0.0}
    cells = scores_of(planned(tmp_path, OWN_WORDS), [INFO], [talk], [], 1.0).cells
    assert [c.notes for c in cells] == [[], []]


@pytest.mark.parametrize("language", WORKING)
def test_labels_of_ones_own_are_asked_for_in_every_working_language_and_read(tmp_path: Path, language: str) -> None:  # fmt: skip
    rows = [{**row, "language": language, "label": label} for row, label in zip(CALLS, ("K1", "K2"), strict=True)]  # fmt: skip
    samples = run(
        planned(tmp_path, rows, method="generate"),
        tmp_path,
        Fake(reply=lambda _: f"{prompts(language).tag} K2"),
    )
    assert [s.parsed for s in samples] == ["K2", "K2"]
    assert [s.score for s in samples] == [0.0, 1.0]
    for sample in samples:
        assert "K1, K2" in sample.prompt[0]["content"]  # type: ignore[index]


def test_labels_are_those_of_each_language_unless_they_are_named(tmp_path: Path) -> None:
    rows = [*CALLS, *({**row, "language": "th", "label": f"ไทย {row['label']}"} for row in CALLS)]
    found = {s.language: s.options for s in run(planned(tmp_path, rows), tmp_path)}
    assert found == {"ms": ["aduan", "pujian"], "th": ["ไทย aduan", "ไทย pujian"]}
    named = run(planned(tmp_path, CALLS, labels=["pujian", "aduan", "lain"]), tmp_path)
    assert {tuple(s.options) for s in named} == {("pujian", "aduan", "lain")}


def test_the_most_tokens_are_asked_for_kept_apart_and_told(tmp_path: Path) -> None:
    made = {most: planned(tmp_path, OPEN, max_tokens=most) for most in (0, 7)}
    keys = {}
    for most, one in made.items():
        engine = Counting(reply=lambda _: "x" * 100)
        (sample,) = run(one, tmp_path, engine)
        assert engine.seen[0].max_tokens == (most or 256)
        assert sample.status == ("truncated" if most else "ok")
        keys[most] = sample.key
        scores = scores_of(one, [INFO], [[sample]], [], 1.0)
        assert (scores.made["max_tokens"], scores.cells[0].truncated) == (most, int(most > 0))
    assert keys[0] != keys[7]


def test_other_languages_are_left_out_and_counted_and_a_limit_is_of_each(tmp_path: Path) -> None:
    made = planned(tmp_path, QUIZ, languages=("th", "vi"))
    assert made.dropped == {"mine: language id": 2}
    assert [(c.language, len(c.items)) for c in made.cells] == [("th", 1)]
    assert made.missing == ({"language": "vi", "skill": "own"},)
    limited = planned(tmp_path, QUIZ, limit=1)
    assert [(c.language, len(c.items), c.left) for c in limited.cells] == [("id", 1, 1), ("th", 1, 0)]


def test_what_the_lint_finds_is_told(tmp_path: Path) -> None:
    made = planned(tmp_path, [*QUIZ, {**QUIZ[0], "id": 9}])
    assert made.lint["mine: item twice"] == 1


def test_a_language_without_prompts_is_named_not_asked(tmp_path: Path) -> None:
    rows = [*QUIZ, {**QUIZ[0], "language": "shn"}]
    assert planned(tmp_path, rows).not_run == (
        {"task": "mine", "language": "shn", "why": "no prompts in the language 'shn'"},
    )
    assert planned(tmp_path, rows).skills == {"own"}


# --- what is refused


def without(row: Row, key: str) -> Row:
    return {name: value for name, value in row.items() if name != key}


@pytest.mark.parametrize(
    ("rows", "options", "kind", "words"),
    [
        ([], {}, InputError, "no item in it"),
        ([*QUIZ, *PAIRS], {}, InputError, "row 4 has good and bad, and row 1 has options"),
        ([*QUIZ, {**QUIZ[0], "id": 7, "passage": "T."}], {}, InputError, "row 4 has the fields of the prompt «reading»"),
        ([QUIZ[0], QUIZ[0]], {}, InputError, "2 items in id have the id 1"),
        ([{**QUIZ[0], "answer": 2}], {}, InputError, "row 1: answer 2 of 2 options"),
        ([without(QUIZ[0], "id")], {}, InputError, "row 1: no 'id'"),
        ([without(QUIZ[0], "language")], {}, InputError, "row 1: no 'language'"),
        ([{**without(QUIZ[0], "question"), "soal": "?"}], {}, InputError, "no prompt is known for options with the fields soal"),
        ([{"id": 1, "language": "id", "text": "x"}], {}, InputError, "row 1: nothing in it is right"),
        ([{**OPEN[0], "references": []}], {}, InputError, "item t: no reference"),
        (CALLS[:1], {}, InputError, "every item in ms has the label 'aduan'"),
        (CALLS, {"labels": ["aduan", "lain"]}, InputError, "item b: label 'pujian' is none of aduan, lain"),
        (CALLS, {"labels": ["aduan"]}, UsageError, "--labels aduan"),
        (CALLS, {"labels": ["aduan", "aduan", "pujian"]}, UsageError, "--labels aduan,aduan"),
        (QUIZ, {"labels": ["a", "b"]}, UsageError, "--labels: the items of"),
        (CALLS, {"name": "sentiment"}, InputError, "item a: label 'aduan' is none of positive, neutral, negative"),
        (QUIZ, {"name": "sentimen"}, UsageError, "no task 'sentimen'"),
        (QUIZ, {"name": "nli"}, UsageError, "--task nli: its items have a label, and those of"),
        (QUIZ, {"name": "reading"}, InputError, "item 1: no 'passage'"),
        (QUIZ, {"name": "long-512"}, UsageError, "--task long-512"),
        (QUIZ, {"languages": ("klingon",)}, UsageError, "no language 'klingon'"),
        (QUIZ, {"languages": ("vi",)}, UsageError, "nothing to ask in vi"),
        (SEAHELM, {"languages": ("th",)}, UsageError, "no item in th"),
        ([*SEAHELM, {**SEAHELM[0], "metadata": {}}], {}, InputError, "row 3: no language"),
        ([{"id": 1, "language": "en", "prompt": "x", "more": {"rules": {"wrds": {}}}}], {"name": "instructions"}, InputError, "'wrds'"),
        ([{"id": 1, "language": "en", "prompt": "x"}], {"name": "instructions"}, InputError, "item 1: no rules"),
        ([{"id": 1, "language": "en", "more": {"turns": []}}], {"name": "turns"}, InputError, "turns are no list"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_named_before_anything_is_asked(tmp_path: Path, rows: list[Row], options: dict[str, Any], kind: type[Exception], words: str) -> None:  # fmt: skip
    with pytest.raises(kind, match=words.replace("(", r"\(")) as caught:
        planned(tmp_path, rows, **options)
    assert "\n" not in str(caught.value)
    assert caught.value.hint  # type: ignore[attr-defined]


@given(
    st.lists(st.tuples(st.sampled_from(("id", "th", "km")), st.integers(0, 3)), min_size=1, max_size=12),
    st.sets(st.sampled_from(("id", "th", "km"))),
)
def test_every_row_is_asked_or_counted_as_left_out(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int]], wanted: set[str]
) -> None:
    path = tmp_path_factory.mktemp("own") / "x.jsonl"
    lines(path, [
        {"id": n, "language": tag, "question": f"{n}?", "options": [f"{n}-{k}" for k in range(4)], "answer": answer}
        for n, (tag, answer) in enumerate(rows)
    ])  # fmt: skip
    own = own_file(path, "x", languages=tuple(sorted(wanted)))
    kept = [row for row in rows if not wanted or row[0] in wanted]
    assert [(item.language, item.gold) for item in own.read.items] == kept
    assert own.read.dropped.total() == len(rows) - len(kept)
