"""What an engine said becomes a sample: ties, numbers that are none, answers cut off, answers that say nothing, failures."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.engines.port import Finish, Generation, Score, Usage
from rumpun.evaluate.ask import Failed
from rumpun.evaluate.items import Item
from rumpun.evaluate.judged import by_likelihood, by_text, metric_of, rules_kept, text_scores
from rumpun.evaluate.questions import questions
from rumpun.evaluate.records import Sample
from rumpun.evaluate.tasks import task, tasks

CHOICE = Item(
    id="c1", language="id", fields={"question": "Apa warna bendera?"}, options=("merah", "merah dan putih", "putih"), gold=1,
    group="flags",
)  # fmt: skip
LABEL = Item(id="l1", language="id", fields={"text": "Enak sekali!"}, gold=("positive",))
PAIR = Item(id="p1", language="id", options=("Ibu memasak nasi.", "Ibu dimasak nasi."), gold=0)
OPEN = Item(id="o1", language="id", fields={"question": "Siapa?"}, gold=("Kartini", "R.A. Kartini"))


def likely(name: str, item: Item, nats: list[float], method: str = "likelihood") -> Sample:
    one = task(name)
    (question,) = questions(one, [item], method)  # type: ignore[arg-type]
    said = [Score(n, 3) for n in nats]
    assert len(said) == len(question.follows)
    return by_likelihood(one, question, said, "m", "key")


def answered(name: str, item: Item, text: str, finish: Finish = "stop") -> Sample:
    one = task(name)
    (question,) = questions(one, [item], "generate")
    said = Generation(text=text, finish=finish, usage=Usage(20, 5))
    return by_text(one, question, said, "m", "key", run=2, seed=9)


# --- by likelihood


def test_options_are_compared_by_nats_a_byte_and_told_by_their_sum_too() -> None:
    found = likely("knowledge", CHOICE, [-6.0, -8.0, -7.0])  # bytes with the space: 6, 16, 6
    assert (found.parsed, found.score, found.scores) == (
        "merah dan putih",
        1.0,
        {"accuracy": 1.0, "accuracy_sum": 0.0},
    )
    assert (found.logprobs, found.tokens) == ([-6.0, -8.0, -7.0], [3, 3, 3])
    assert (found.gold, found.options, found.group) == ("merah dan putih", list(CHOICE.options), "flags")
    assert (found.task, found.language, found.id, found.method, found.status) == (
        "knowledge",
        "id",
        "c1",
        "likelihood",
        "ok",
    )
    assert isinstance(found.prompt, str)
    assert found.template.startswith("id/question/cloze/")


def test_letters_labels_and_pairs_are_compared_by_their_sum() -> None:
    assert likely("knowledge", CHOICE, [-1.0, -1.1, -5.0], "letters").parsed == "merah"
    assert likely("knowledge", CHOICE, [-1.2, -1.1, -5.0], "letters").scores == {"accuracy": 1.0}
    assert likely("sentiment", LABEL, [-4.0, -4.1, -9.0]).scores == {"accuracy": 1.0}
    # by bytes the longer and less likely sentence would win
    longer = Item(id="p", language="id", options=("Ibu pergi.", "Ibu pergi ke pasar besar."), gold=0)
    assert likely("grammar", longer, [-10.0, -11.0]).parsed == "Ibu pergi."


def test_the_first_of_equals_is_taken_wherever_the_right_one_stands() -> None:
    for gold in (0, 1):
        item = Item(id="x", language="id", options=("aaaa", "bbbb"), gold=gold)
        found = likely("grammar", item, [-3.0, -3.0])
        assert found.parsed == "aaaa"
        assert found.score == float(gold == 0)


def test_two_options_of_the_same_words_are_both_right() -> None:
    item = Item(id="x", language="id", fields={"question": "?"}, options=("a", "b", "b"), gold=2)
    assert likely("knowledge", item, [-5.0, -1.0, -1.0]).score == 1.0


@pytest.mark.parametrize("value", [-math.inf, math.inf, math.nan])
def test_a_number_that_is_none_is_an_error_and_no_score(value: float) -> None:
    found = likely("knowledge", CHOICE, [-1.0, value, -2.0])
    assert (found.status, found.error) == ("error", "a log-probability that is no finite number")
    assert (found.score, found.scores, found.parsed, found.logprobs) == (None, {}, None, [])


def test_one_option_that_failed_fails_the_item_and_says_why() -> None:
    (question,) = questions(task("knowledge"), [CHOICE], "likelihood")
    said = [Score(-1.0, 1), Failed("the server said 500"), Failed("later")]
    found = by_likelihood(task("knowledge"), question, said, "m", "k")
    assert (found.status, found.error, found.score, found.scores) == (
        "error",
        "the server said 500",
        None,
        {},
    )


numbers = st.floats(-200, 0, allow_nan=False)


@given(st.lists(st.text(min_size=1), min_size=2, max_size=6, unique=True), st.data())
def test_the_best_by_bytes_against_counting(options: list[str], data: st.DataObject) -> None:
    nats = data.draw(st.lists(numbers, min_size=len(options), max_size=len(options)))
    gold = data.draw(st.integers(0, len(options) - 1))
    found = likely(
        "knowledge",
        Item(id="x", language="id", fields={"question": "?"}, options=tuple(options), gold=gold),
        nats,
    )
    best, by_sum = 0, 0
    for n in range(1, len(options)):
        if nats[n] / len((" " + options[n]).encode()) > nats[best] / len((" " + options[best]).encode()):
            best = n
        if nats[n] > nats[by_sum]:
            by_sum = n
    assert found.parsed == options[best]
    assert found.scores == {"accuracy": float(best == gold), "accuracy_sum": float(by_sum == gold)}


# --- by words


@pytest.mark.parametrize(
    ("text", "parsed", "score"),
    [
        ("Jawaban: B", "merah dan putih", 1.0),
        ("jawaban: b.", "merah dan putih", 1.0),
        ("Menurut saya merah dulu.\nJawaban: A", "merah", 0.0),
        ("merah dan putih", "merah dan putih", 1.0),
        ("<think>B? Bukan.</think>Jawaban: C", "putih", 0.0),
    ],
)
def test_an_answer_by_its_letter_or_words(text: str, parsed: str, score: float) -> None:
    found = answered("knowledge", CHOICE, text)
    assert (found.parsed, found.score, found.scores, found.status) == (
        parsed,
        score,
        {"accuracy": score},
        "ok",
    )
    assert (found.answer, found.tokens, found.run, found.seed) == (text, [20, 5], 2, 9)
    assert isinstance(found.prompt, list)
    assert found.prompt[0]["role"] == "user"
    assert found.gold == "merah dan putih"


def test_an_answer_in_which_nothing_can_be_read_is_wrong_and_told_apart() -> None:
    found = answered("knowledge", CHOICE, "Tidak tahu.")
    assert (found.status, found.parsed, found.score, found.scores) == (
        "no answer found",
        None,
        0.0,
        {"accuracy": 0.0},
    )
    cut = answered("knowledge", CHOICE, "Warna bendera kita adalah", "length")
    assert (cut.status, cut.parsed, cut.score) == ("truncated", None, 0.0)
    assert answered("knowledge", CHOICE, "Jawaban: B. Sebab", "length").status == "ok", (
        "what was cut off was said before"
    )


def test_labels_are_read_by_the_words_of_the_language() -> None:
    assert answered("sentiment", LABEL, "Jawaban: positif").score == 1.0
    found = answered("sentiment", LABEL, "Jawaban: negatif")
    assert (found.parsed, found.score, found.options) == (
        "negative",
        0.0,
        ["positive", "neutral", "negative"],
    )


def test_a_language_without_prompts_of_its_own_is_read_by_those_it_was_asked_in() -> None:
    item = Item(id="x", language="jv", fields={"text": "Enak banget."}, gold=("positive",))
    assert answered("nusax-sentiment", item, "Jawaban: positif").score == 1.0
    far = Item(
        id="x", language="dtp", fields={"text": "Tinan"}, gold=("A house.",), more={"from": "dtp", "to": "en"}
    )
    assert answered("tatoeba-xx-en", far, "A house.").parsed == "A house."


def test_a_request_that_failed_has_no_score_in_any_family() -> None:
    for name, item in (("knowledge", CHOICE), ("sentiment", LABEL), ("blend", OPEN)):
        (question,) = questions(task(name), [item], "generate")
        found = by_text(task(name), question, Failed("timed out"), "m", "k", run=0, seed=None)
        assert (found.status, found.error, found.score, found.scores, found.answer) == (
            "error",
            "timed out",
            None,
            {},
            None,
        )
        assert text_scores(task("blend"), "id", [found]) == [found]


# --- texts beside references


def test_texts_are_scored_at_once_and_errors_stay_without() -> None:
    (question,) = questions(task("blend"), [OPEN], "generate")
    failed = by_text(task("blend"), question, Failed("x"), "m", "k", run=0, seed=None)
    samples = [
        answered("blend", OPEN, "Jawaban: R.A. Kartini"),
        answered("blend", OPEN, "Jawaban: Ibu Kartini"),
        failed,
        answered("blend", OPEN, ""),
        answered("blend", OPEN, "Dewi Sartika dan", "length"),
    ]
    found = text_scores(task("blend"), "id", samples)
    assert [sample.status for sample in found] == ["ok", "ok", "error", "no answer found", "truncated"]
    assert [sample.score for sample in found] == [1.0, pytest.approx(2 / 3), None, 0.0, 0.0]
    assert found[0].scores == {"token_f1": 1.0, "exact": 1.0, "rouge_l": 1.0}
    assert found[2] == failed
    assert found[0].gold == ["Kartini", "R.A. Kartini"]


def test_translations_have_each_their_chrf_by_sacrebleu() -> None:
    sacrebleu = pytest.importorskip("sacrebleu", reason="sacrebleu is not installed")
    more = {"from": "id", "to": "en"}
    items = [
        Item(id="a", language="id", fields={"text": "Rumah."}, gold=("The house is big.",), more=more),
        Item(
            id="b",
            language="id",
            fields={"text": "Kucing."},
            gold=("A cat sleeps.", "The cat is asleep."),
            more=more,
        ),
    ]
    said = ["The house is very big.", "The cat sleeps."]
    one = task("translation-into-english")
    samples = [answered(one.name, item, text) for item, text in zip(items, said, strict=True)]
    found = text_scores(one, "id", samples)
    for item, text, sample in zip(items, said, found, strict=True):
        expected = max(sacrebleu.sentence_chrf(text, [ref], word_order=2).score for ref in item.gold)  # type: ignore[union-attr]
        assert sample.scores == {"chrf": pytest.approx(expected)}
        assert sample.score == sample.scores["chrf"]


# --- instructions


def test_an_instruction_is_kept_whole_or_not() -> None:
    item = Item(
        id="i", language="en", fields={"prompt": "Write in lower case, with no comma."},
        more={
            "instruction_id_list": ["change_case:english_lowercase", "punctuation:no_comma"], "kwargs": [{}, {}],
        },
    )  # fmt: skip
    good, half = (
        answered("ifeval", item, "all is calm."),
        answered("ifeval", item, "all is calm, and bright."),
    )
    assert (good.score, half.score) == (1.0, 0.0)
    assert set(good.scores) >= {"accuracy", "accuracy_loose"}
    assert rules_kept(item, "all is calm.")["accuracy"] == 1.0
    assert answered("ifeval", item, "all is calm", "length").status == "truncated"


def test_every_task_has_a_metric_that_its_samples_have() -> None:
    found = {one.family: metric_of(one) for one in tasks().values() if not one.translates}
    assert found.items() >= {
        "choice": "accuracy", "label": "accuracy", "pairs": "accuracy", "text": "token_f1", "instructions": "accuracy",
        "bits": "bits_per_byte", "tokens": "tokens_per_character",
    }.items()  # fmt: skip
    assert {metric_of(one) for one in tasks().values() if one.translates} == {"chrf"}
