"""Answers made elsewhere: the right way against counting, SEA-HELM's way by its check values, files that do not fit."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from rumpun.errors import InputError, UsageError
from rumpun.evaluate.predictions import Report, read_column, score_predictions
from rumpun.evaluate.tasks import items_of, task

LETTERS = [{"id": n, "label": label, "prompts": [{"text": f"Soal {n}"}]} for n, label in enumerate("AAABBC")]
SAID = ["Jawaban: A", None, "Jawaban: A", "Jawaban: B", "Jawaban: A", "Jawaban: C"]


def lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def scored(
    tmp_path: Path, name: str, language: str, rows: Sequence[Mapping[str, Any]] | None, said: Sequence[str | None], **options: Any
) -> Report:  # fmt: skip
    ids = (
        [row["id"] for row in rows]
        if rows is not None
        else [i.id for i in items_of(task(name), (language,)).items]
    )
    answers = lines(
        tmp_path / "p.jsonl", [{"id": i, "prediction": one} for i, one in zip(ids, said, strict=True)]
    )
    items = None if rows is None else lines(tmp_path / "items.jsonl", rows)
    return score_predictions(answers, name, language, items=items, **options)


# --- the right way


def test_a_task_of_ours_needs_no_file_of_items(tmp_path: Path) -> None:
    items = items_of(task("culture"), ("th",)).items
    letters = ["ABCD"[item.gold] for item in items if isinstance(item.gold, int)]
    said: list[str | None] = [f"คำตอบ: {letter}" for letter in letters]
    said[0], said[1] = None, "ไม่ทราบ"
    said[2] = f"คำตอบ: {'ABCD'['ABCD'.index(letters[2]) - 1]}"
    found = scored(tmp_path, "culture", "th", None, said)
    assert (found.n, found.errors, found.parse_failures) == (12, 1, 1)
    assert found.metrics == {"accuracy": pytest.approx(9 / 11)}
    assert found.normalised == pytest.approx(100 * (9 / 11 - 0.25) / 0.75)
    assert found.problems == ()
    span = found.ci95["accuracy"]
    assert span is not None
    assert span[0] < 9 / 11 < span[1]


def test_an_options_words_and_native_letters_are_read(tmp_path: Path) -> None:
    items = items_of(task("knowledge"), ("my",)).items
    said = [f"အဖြေ-{'ကခဂဃ'[int(item.gold)]}" if n % 2 else item.right for n, item in enumerate(items)]  # type: ignore[call-overload]
    assert scored(tmp_path, "knowledge", "my", None, said).metrics == {"accuracy": 1.0}


def test_labels_are_scored_by_balanced_accuracy_without_the_failed(tmp_path: Path) -> None:
    rows = [
        {"id": f"s{n}", "text": "Enak.", "label": label}
        for n, label in enumerate(["positive"] * 6 + ["negative"] * 2 + ["neutral"])
    ]
    said = ["positif"] * 5 + ["Jawaban: negatif", "Jawaban: negatif", "positif", None]
    found = scored(tmp_path, "sentiment", "id", rows, said)
    gold = [row["label"] for row in rows][:8]
    read = ["positive"] * 5 + ["negative", "negative", "positive"]
    expected = balanced_accuracy_score(gold, read)
    assert found.metrics["balanced_accuracy"] == pytest.approx(expected)
    assert found.metrics["accuracy"] == pytest.approx(6 / 8)
    assert found.normalised == pytest.approx(100 * (expected - 1 / 3) / (2 / 3)), "of the task's three labels"
    assert set(found.ci95) == set(found.metrics) == {"accuracy", "balanced_accuracy", "macro_f1"}
    assert set(found.facts()) == {
        "task", "language", "metrics", "normalised", "n", "parse_failures", "ci95", "errors",
    }  # fmt: skip


def test_rows_of_letters_are_read_as_labels_in_a_task_of_options_and_of_labels(tmp_path: Path) -> None:
    for name in ("causal", "nli", "belebele-qa-mc", "kalahi-mc", "pragmatic-single"):
        language = "tl" if name == "kalahi-mc" else "id"
        found = scored(tmp_path, name, language, LETTERS, SAID)
        assert (found.n, found.errors, found.parse_failures) == (6, 1, 0)
        assert found.metrics["accuracy"] == pytest.approx(4 / 5)
        assert found.metrics["balanced_accuracy"] == pytest.approx((1 + 1 / 2 + 1) / 3)
        assert found.normalised == pytest.approx(100 * (5 / 6 - 1 / 3) / (2 / 3))


def test_a_label_that_is_none_of_the_tasks_is_named(tmp_path: Path) -> None:
    rows = [{"id": 1, "label": "positive"}, {"id": 2, "label": "positif"}]
    with pytest.raises(InputError, match=r"items\.jsonl: item 2: no label 'positif' in this task") as caught:
        scored(tmp_path, "sentiment", "id", rows, ["a", "b"])
    assert caught.value.hint == "write one of positive, neutral, negative"


def test_questions_and_summaries_by_their_references(tmp_path: Path) -> None:
    rows = [{"id": 1, "label": ["Kartini", "R.A. Kartini"]}, {"id": 2, "label": ["di Jepara"]}]
    found = scored(tmp_path, "qa", "id", rows, ["Jawaban: RA Kartini", "Jawaban: Jepara"])
    assert list(found.metrics) == ["token_f1", "exact", "rouge_l"]
    assert found.metrics["token_f1"] == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert found.normalised == pytest.approx(100 * found.metrics["token_f1"])
    short = [{"id": 1, "label": "Harga beras naik hari ini."}, {"id": 2, "label": "Banjir surut."}]
    summary = scored(tmp_path, "abssum", "id", short, ["Harga beras naik", ""])
    assert summary.metrics["rouge_l"] == pytest.approx((2 * 3 / (3 + 5)) / 2)
    assert summary.parse_failures == 1


@pytest.mark.parametrize("name", ["translation-xx-en", "translation-into-english"])
def test_translations_by_sacrebleus_corpus_figure(tmp_path: Path, name: str) -> None:
    sacrebleu = pytest.importorskip("sacrebleu", reason="sacrebleu is not installed")
    rows = [{"id": 1, "label": "The house is big."}, {"id": 2, "label": "A cat is asleep."}]
    said = ["The house is very big.", "The cat sleeps."]
    found = scored(tmp_path, name, "id", rows, said)
    expected = sacrebleu.corpus_chrf(said, [[str(row["label"]) for row in rows]], word_order=2).score
    assert found.metrics == {"chrf": pytest.approx(expected)}
    assert found.normalised == found.metrics["chrf"]


def test_instructions_by_their_rules(tmp_path: Path) -> None:
    more = {"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}
    rows = [{"id": n, "prompts": [{"prompt": "Say hello without a comma."}], "more": more} for n in range(4)]
    found = scored(tmp_path, "ifeval", "en", rows, ["Hello there.", "Hello, there.", "Hello.", None])
    assert found.metrics["accuracy"] == pytest.approx(2 / 3)
    assert (found.n, found.errors) == (4, 1)


def test_items_of_one_group_are_drawn_together(tmp_path: Path) -> None:
    right = np.repeat(np.random.default_rng(2).integers(0, 2, 30), 4)
    rows = [
        {
            "id": n,
            "passage": f"Teks {n // 4}",
            "question": f"Soal {n}",
            "options": ["a", "b"],
            "answer": 0,
            "group": f"g{n // 4}",
        }
        for n in range(120)
    ]
    said = [f"Jawaban: {'A' if one else 'B'}" for one in right]
    linked = scored(tmp_path, "reading", "id", rows, said).ci95["accuracy"]
    apart = scored(tmp_path, "reading", "id", [row | {"group": ""} for row in rows], said).ci95["accuracy"]
    assert linked is not None
    assert apart is not None
    assert (linked[1] - linked[0]) / (apart[1] - apart[0]) == pytest.approx(2.0, rel=0.15)


def test_one_item_has_no_interval(tmp_path: Path) -> None:
    found = scored(tmp_path, "sentiment", "id", [{"id": 1, "label": "positive"}], ["positif"])
    assert found.ci95 == {"accuracy": None, "balanced_accuracy": None, "macro_f1": None}


def test_faults_of_items_are_told_and_do_not_stop_the_scoring(tmp_path: Path) -> None:
    rows = [
        {"id": n, "question": "Apa?", "options": ["satu", "satu", "dua"], "answer": n % 2} for n in range(2)
    ]
    found = scored(tmp_path, "knowledge", "id", rows, ["A", "B"])
    assert {"right option twice"} <= {problem.kind for problem in found.problems}
    bare = scored(
        tmp_path,
        "sentiment",
        "id",
        [{"id": 1, "label": "positive"}, {"id": 2, "label": "negative"}],
        ["a", "b"],
    )
    assert bare.problems == (), "rows of ids and labels alone have no texts to look at"


# --- SEA-HELM's way


def test_seahelms_check_value_of_labels(tmp_path: Path) -> None:
    found = scored(tmp_path, "belebele-qa-mc", "id", LETTERS, SAID, compat="seahelm")
    assert found.metrics["accuracy"] == pytest.approx(72.22222222222222, abs=1e-9)
    assert (
        found.metrics["normalized_accuracy"] == found.normalised == pytest.approx(58.33333333333333, abs=1e-9)
    )
    assert (found.n, found.parse_failures, found.errors) == (6, 1, 1)
    assert found.faults
    assert set(found.facts()) == {
        "task", "language", "metrics", "normalised", "n", "parse_failures", "ci95", "errors", "compat", "faults", "values", "labels",
    }  # fmt: skip
    assert found.labels == tuple(row["label"] for row in LETTERS)
    assert len(found.values) == 6
    assert "values" not in scored(tmp_path, "belebele-qa-mc", "id", LETTERS, SAID).facts()
    span = found.ci95["normalized_accuracy"]
    assert span is not None
    assert span[0] <= 58.4 <= span[1]


def test_the_column_of_the_right_answer_is_the_tasks(tmp_path: Path) -> None:
    rows = [
        {"id": n, "prompt_label": a, "response_label": b}
        for n, (a, b) in enumerate(zip("ABAB", "AABB", strict=True))
    ]
    said = [f"Jawaban: {letter}" for letter in "ABAB"]
    for compat, metric in (("seahelm", "accuracy"), (None, "balanced_accuracy")):
        by_prompt = scored(tmp_path, "safeguard_general_prompt", "id", rows, said, compat=compat)
        by_response = scored(tmp_path, "safeguard_general_response", "id", rows, said, compat=compat)
        share = 100.0 if compat else 1.0
        assert by_prompt.metrics[metric] == pytest.approx(share)
        assert by_response.metrics[metric] == pytest.approx(share / 2)


def test_the_two_parts_of_pragmatics_have_no_score_and_their_pool_has(tmp_path: Path) -> None:
    def row(number: int, label: str, phenomenon: str, **more: Any) -> dict[str, Any]:
        return {"id": number, "label": label, "metadata": {"linguistic_phenomenon": phenomenon}} | more

    single = [
        row(1, "A", "scalar_implicatures"),
        row(2, "B", "presuppositions"),
        row(3, "A", "presuppositions"),
    ]
    said = ["Jawaban: A", "Jawaban: A", "Jawaban: A"]
    for name in ("pragmatic-single", "pragmatic-pair"):
        assert scored(tmp_path, name, "id", single, said, compat="seahelm").normalised is None
    pooled = scored(tmp_path, "pragmatics", "id", single, said, compat="seahelm")
    assert pooled.normalised == pytest.approx(100 * ((1.0 + 0.5) / 2 - 0.5) / 0.5)


def test_what_only_a_model_can_tell_is_given_beside_the_answers(tmp_path: Path) -> None:
    rows = [{"id": n, "label": "x"} for n in range(3)]
    said = ["Terjemahan: a", "Terjemahan: b", None]
    scores = lines(
        tmp_path / "s.jsonl", [{"id": n, "score": value} for n, value in enumerate((0.0, 5, 25.0))]
    )
    found = scored(tmp_path, "translation-en-xx", "id", rows, said, compat="seahelm", external=scores)
    assert found.normalised == pytest.approx((100 + 80 + 0) / 3)
    with pytest.raises(InputError):
        scored(tmp_path, "translation-en-xx", "id", rows, said, compat="seahelm")


def test_if_eval_takes_the_language_of_each_answer_from_a_file(tmp_path: Path) -> None:
    about = {"category": "detectable_format", "subcategory": "detectable_format:title"}
    rows = [{"id": f"t{n}", "metadata": about, "kwargs": [{}]} for n in range(4)]
    said = ["<<Hujan>> turun", "<<Rain>> falls", "tanpa judul", "<<Hujan>>"]
    tags = [{"id": f"t{n}", "detected": tag} for n, tag in enumerate(("id", "en", "id", "ms"))]
    path = lines(tmp_path / "d.jsonl", tags)
    found = scored(tmp_path, "if-eval", "id", rows, said, compat="seahelm", detected=path)
    assert found.normalised == found.metrics["overall_lang_normalized_acc"] == pytest.approx(50.0)
    assert found.metrics["overall_acc"] == pytest.approx(75.0)
    short = lines(tmp_path / "d.jsonl", tags[1:])
    with pytest.raises(InputError, match=r"d\.jsonl: 1 items have no line: t0"):
        scored(tmp_path, "if-eval", "id", rows, said, compat="seahelm", detected=short)


def test_a_task_of_ours_can_be_scored_in_seahelms_way(tmp_path: Path) -> None:
    items = items_of(task("sentiment"), ("id",)).items
    said = [f"Jawaban: {item.right}" for item in items]
    assert scored(tmp_path, "sentiment", "id", None, said, compat="seahelm").normalised == pytest.approx(
        100.0
    )


# --- what does not fit


def test_names_and_options_that_do_not_go_together(tmp_path: Path) -> None:
    answers = lines(tmp_path / "p.jsonl", [{"id": 1, "prediction": "a"}])
    items = lines(tmp_path / "i.jsonl", [{"id": 1, "label": "a"}])

    def refused(words: str, name: str, language: str = "id", **options: Any) -> str:
        with pytest.raises(UsageError, match=words) as caught:
            score_predictions(answers, name, language, **options)
        return caught.value.hint

    assert "sentiment" in refused("no task 'sentimnt'", "sentimnt")
    assert "abssum" in refused("no task 'absum'", "absum")
    assert refused("abssum: its items are not here", "abssum") == "name them with --items FILE"
    assert (
        refused("if-eval: scored in SEA-HELM's way alone", "if-eval", items=items) == "add --compat seahelm"
    )
    assert "eval run" in refused("bpb: its answers are no texts", "bpb", items=items)
    assert "seahelm" in refused("--detected: only", "sentiment", items=items, detected=answers)
    assert "seahelm" in refused("--external: only", "sentiment", items=items, external=answers)
    refused("no task 'toxicity' in it", "toxicity", "ta", items=items, compat="seahelm")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"id": 1, "prediction": "a"}], "1 items have no line: 2"),
        (
            [{"id": 1, "prediction": "a"}, {"id": 2, "prediction": "a"}, {"id": 9, "prediction": "a"}],
            "1 ids are of no item: 9",
        ),
        ([{"id": 1, "prediction": "a"}, {"id": "1", "prediction": "a"}], "row 2: the id 1 stands twice"),
        ([{"id": 1}], "row 1: no 'prediction'"),
        ([{"prediction": "a"}], "row 1: no 'id'"),
        ([{"id": 1, "prediction": 5}], "row 1: the prediction is a int"),
        ([{"id": 1, "prediction": ["a"]}], "row 1: the prediction is a list"),
        ([{"id": 1, "prediction": None}, {"id": 2, "prediction": None}], "every prediction is null"),
    ],
)
def test_predictions_that_do_not_fit_the_items(
    tmp_path: Path, rows: list[dict[str, Any]], words: str
) -> None:
    items = lines(tmp_path / "i.jsonl", [{"id": 1, "label": "positive"}, {"id": 2, "label": "negative"}])
    with pytest.raises(InputError, match=words) as caught:
        score_predictions(lines(tmp_path / "p.jsonl", rows), "sentiment", "id", items=items)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "rows", "words"),
    [
        (
            "sentiment",
            [{"id": 1, "label": "positive"}, {"id": "1", "label": "negative"}],
            "the id 1 stands twice",
        ),
        ("sentiment", [{"id": 1}], "item 1: label is missing"),
        ("sentiment", [{"id": 1, "label": []}], "item 1: label is empty"),
        ("sentiment", [{"id": 1, "label": {"a": 1}}], "item 1: label is a dict"),
        ("sentiment", [{"label": "positive"}], "row 1: no 'id'"),
        (
            "sentiment",
            [{"id": 1, "label": "positive", "language": "th"}],
            r"no item in id \(there are items in th\)",
        ),
        ("sentiment", [], "no item in id"),
        (
            "knowledge",
            [{"id": 1, "question": "?", "options": ["a", "b"], "answer": 2}],
            "item 1: answer 2 of 2",
        ),
        (
            "knowledge",
            [{"id": 1, "options": ["a", "b"], "answer": 0}, {"id": 2, "label": "A"}],
            "item 2: no options",
        ),
    ],
)
def test_items_that_cannot_be_meant(
    tmp_path: Path, name: str, rows: list[dict[str, Any]], words: str
) -> None:
    items = lines(tmp_path / "i.jsonl", rows)
    answers = lines(tmp_path / "p.jsonl", [{"id": row["id"], "prediction": "A"} for row in rows if "id" in row][:1] + [
        {"id": 2, "prediction": "A"} for row in rows if row.get("id") == 2
    ])  # fmt: skip
    with pytest.raises(InputError, match=words) as caught:
        score_predictions(answers, name, "id", items=items)
    assert caught.value.hint


def test_items_of_other_languages_in_the_file_are_passed_over(tmp_path: Path) -> None:
    rows = [
        {"id": 1, "label": "positive", "language": "id"}, {"id": 1, "label": "negative", "language": "th"},
        {"id": 2, "label": "negative", "metadata": {"language": "id"}}, {"id": 3, "label": "neutral", "metadata": {"language": "vi"}},
    ]  # fmt: skip
    items = lines(tmp_path / "i.jsonl", rows)
    answers = lines(
        tmp_path / "p.jsonl", [{"id": "1", "prediction": "positif"}, {"id": 2, "prediction": "negatif"}]
    )
    assert score_predictions(answers, "sentiment", "id", items=items).metrics["accuracy"] == 1.0


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("score", "3", "the score is a str"),
        ("score", True, "the score is a bool"),
        ("detected", 3, "the detected is a int"),
    ],
)
def test_columns_beside_the_answers_are_of_their_kind(
    tmp_path: Path, column: str, value: Any, words: str
) -> None:
    path = lines(tmp_path / "c.jsonl", [{"id": 1, column: None}, {"id": 2, column: value}])
    with pytest.raises(InputError, match=rf"c\.jsonl: row 2: {words}"):
        read_column(path, column)


def test_twenty_thousand_answers_are_aligned_quickly(tmp_path: Path) -> None:
    import time

    rows = [{"id": n, "label": "AB"[n % 2]} for n in range(20_000)]
    begun = time.process_time()
    found = scored(tmp_path, "toxicity", "id", rows, ["Jawaban: A"] * 20_000, compat="seahelm")
    assert found.metrics["accuracy"] == pytest.approx(50.0)
    assert time.process_time() - begun < 10
