"""Long context: facts hidden in text of the right length, where they should stand, and asked so that a reader finds them."""

import json
from collections import Counter
from pathlib import Path

import pytest
from fake_runs import INFO
from hypothesis import given, settings
from hypothesis import strategies as st

import rumpun.evaluate.tasks as module
from rumpun.engines.fake import Fake
from rumpun.engines.load import Found, open_engine, resolve
from rumpun.engines.port import Score
from rumpun.errors import UsageError
from rumpun.evaluate.ask import Asker
from rumpun.evaluate.cache import Cache
from rumpun.evaluate.items import rows_of
from rumpun.evaluate.long_context import context_wanted, in_text
from rumpun.evaluate.long_facts import DEPTHS, fact_items, filler, parallel_items
from rumpun.evaluate.questions import questions
from rumpun.evaluate.run import Settings, ask_model, plan, scores_of
from rumpun.evaluate.tasks import chosen, items_of, suites, task, tasks
from rumpun.language.tables import WORKING

NEWS = Path(module.__file__).parent / "suites/news.jsonl"
LENGTHS = [one for one in tasks().values() if one.length_tokens]


class Reader(Fake):
    """Finds the fact that the question is about: in each line it looks for a name of the question and for the option."""

    def score(self, pairs):
        return [Score(-(0.1 if self._stands(*pair) else 9.0) * len(pair[1].encode()), 1) for pair in pairs]

    @staticmethod
    def _stands(context, option):
        text, _, question = context.rpartition("\n\n")
        lines = [line for line in text.split("\n") if option.strip() in line]
        return any(name in question and name in line for name in NAMES for line in lines)


def names_of(item):
    """What a question names that its fact names as well, and the three other facts do not."""
    question, facts = item.fields["question"], item.more["facts"]
    spans = {question[a:b] for a in range(len(question)) for b in range(a + 2, len(question) + 1)}
    own = [one for one in spans if one in facts[0] and not any(one in other for other in facts[1:])]
    return [max(own, key=len).strip(" '")] if own else []


NAMES = {name for tag in WORKING for item in fact_items(512, (tag,)) for name in names_of(item)}


def asker_of(engine, folder):
    return Asker(engine, {"model": engine.about().name}, Cache(folder / "answers.sqlite"))


def put(name, language, engine, folder, method="likelihood", chat=False, seed=0):
    """What came of a task, and its items with their texts."""
    made = []
    came = in_text(
        task(name), items_of(task(name), (language,)).items, method, asker_of(engine, folder), lambda items: made.extend(items) or [],
        chat=chat, seed=seed,
    )  # fmt: skip
    return came, made


# --- the items


@pytest.mark.parametrize("language", WORKING)
def test_every_depth_and_place_has_its_items_and_the_options_all_stand_in_the_text(language):
    items = fact_items(1024, (language,))
    assert len(items) == 20
    assert Counter(item.more["depth"] for item in items) == dict.fromkeys(DEPTHS, 4)
    assert Counter(item.gold for item in items) == dict.fromkeys(range(4), 5)
    assert {item.more["depth"] for item in items[:5]} == set(DEPTHS), "so a limit of five sees every depth"
    for item in items:
        facts = item.more["facts"]
        assert len(set(item.options)) == len(set(facts)) == 4
        assert all(sum(option in fact for fact in facts) >= 1 for option in item.options)
        assert item.right in facts[0]
        assert len(set(item.more["depths"])) == 4
        assert names_of(item), item.fields["question"]


def test_lengths_share_their_facts_and_are_sound():
    one, other = (fact_items(length, WORKING) for length in (512, 32768))
    assert [item.fields for item in one] == [item.fields for item in other]
    assert [item.options for item in one] == [item.options for item in other]
    for length in LENGTHS[:1]:
        assert items_of(length, ()).problems == []
    assert [one.length_tokens for one in LENGTHS] == [512 << n for n in range(9)]


def test_the_filler_is_the_suites_own_text_on_single_lines():
    for language in WORKING:
        lines = filler(language)
        assert len(lines) == 120
        assert not any("\n" in line for line in lines)
    assert filler("xx") == ()


# --- the texts


@settings(max_examples=6)
@given(
    name=st.sampled_from(["long-1k", "long-2k", "long-4k"]),
    language=st.sampled_from(["en", "th", "zh", "ta"]),
    seed=st.integers(0, 3),
)
def test_a_text_has_the_length_and_its_facts_stand_at_their_depths(tmp_path_factory, name, language, seed):
    engine = Fake(context_tokens=9000)  # a token is a code point
    came, made = put(name, language, engine, tmp_path_factory.mktemp("long"), seed=seed)
    assert came == []
    length = task(name).length_tokens
    longest = max(len(line) for line in filler(language)) + 1
    for item, question in zip(made, questions(task(name), made, "likelihood"), strict=True):
        whole = len(question.prompt) + max(map(len, question.follows))
        assert whole <= length - 8
        shortest = min(len(line) for line in filler(language)) + 1
        assert whole > length - 2 * shortest - 60
        lines = item.fields["passage"].split("\n")
        text = [line for line in lines if line not in item.more["facts"]]
        total = sum(len(line) + 1 for line in text)
        for fact, depth in zip(item.more["facts"], item.more["depths"], strict=True):
            assert lines.count(fact) == 1
            before = sum(
                len(line) + 1 for line in lines[: lines.index(fact)] if line not in item.more["facts"]
            )
            assert depth / 100 * total <= before <= depth / 100 * total + longest


def test_a_text_repeats_only_when_all_lines_are_used(tmp_path):
    _, made = put("long-8k", "zh", Fake(context_tokens=9000), tmp_path)
    counts = Counter(line for line in made[0].fields["passage"].split("\n") if line in filler("zh"))
    assert sum(map(len, filler("zh"))) > 6000
    assert max(counts.values()) <= 2
    again, _ = put("long-8k", "zh", Fake(context_tokens=9000), tmp_path)
    other = put("long-8k", "zh", Fake(context_tokens=9000), tmp_path, seed=1)[1]
    assert again == []
    assert made[0].fields != other[0].fields
    assert made[0].fields == put("long-8k", "zh", Fake(context_tokens=9000), tmp_path)[1][0].fields


def test_what_does_not_fit_is_named_and_nothing_is_asked(tmp_path):
    assert put("long-8k", "id", Fake(context_tokens=4096), tmp_path) == ("its context holds 4,096 tokens", [])

    class Dear(Fake):
        def count_tokens(self, texts):
            return [4 * len(text) for text in texts]

    came = put("long-512", "my", Dear(name="dear", context_tokens=4096), tmp_path)
    assert came == ("the facts and the question alone are longer", [])

    class Mute(Fake):
        def count_tokens(self, texts):
            raise UsageError("no /tokenize here")

    came = put("long-512", "id", Mute(name="mute", context_tokens=4096), tmp_path)
    assert came == ("this engine does not count tokens", [])


def test_an_answer_in_words_has_its_room(tmp_path):
    _, made = put("long-2k", "id", Fake(context_tokens=4096), tmp_path, method="generate", chat=True)
    for question in questions(task("long-2k"), made, "generate"):
        assert len(question.messages[0].content) <= 2048 - 32 - 64 - 8


# --- a run


def test_a_reader_finds_what_is_asked_and_what_is_too_long_is_no_zero(tmp_path):
    names = ("long-1k", "long-2k", "long-4k")
    languages = ("en", "th", "vi")
    made = plan("long", [task(name) for name in names], Settings(languages=languages))
    engine = Reader(context_tokens=2048)
    samples, not_run = ask_model(made, INFO, asker_of(engine, tmp_path))
    assert {(one["task"], one["why"]) for one in not_run} == {("long-4k", "its context holds 2,048 tokens")}
    scores = scores_of(made, [INFO], [samples], not_run, 1.0)
    assert {(cell.task, cell.language) for cell in scores.cells} == {
        (name, tag) for name in names[:2] for tag in languages
    }
    for cell in scores.cells:
        assert (cell.items, cell.errors, cell.chance) == (20, 0, 0.25)
        assert cell.metrics["accuracy"].value == 1.0, "what is asked stands in the text once"
        assert cell.metrics["accuracy"].ci95[0] > 0.8
    for sample in samples:
        assert sample.more["tokens"] <= sample.more["length"]
        assert sample.more["depth"] in DEPTHS
        assert 0 < sample.more["characters"] < len(sample.prompt)


def test_the_same_sentences_are_counted_against_english(tmp_path):
    made = plan("long", [task("tokens-parallel")], Settings(languages=("en", "my")))
    engine = Fake(context_tokens=4096)
    samples, not_run = ask_model(made, INFO, asker_of(engine, tmp_path))
    assert not_run == []
    cells = {cell.language: cell for cell in scores_of(made, [INFO], [samples], [], 1.0).cells}
    assert cells["en"].metrics["tokens_against_english"].value == 1.0
    rows = rows_of(NEWS)
    whole = [sum(len(row[tag]) for row in rows) for tag in ("my", "en")]
    found = cells["my"].metrics["tokens_against_english"]
    assert found.value == pytest.approx(whole[0] / whole[1])
    assert found.ci95[0] < found.value < found.ci95[1]
    assert len(parallel_items(WORKING)) == 11 * len(rows)
    assert cells["my"].normalised is None, "a cost goes into no mean"


# --- names


def test_a_suites_name_stands_for_its_tasks():
    named = [one.name for one in chosen(["long-context", "nli", "long-1k"])]
    assert named == [*suites()["long-context"], "nli"]
    assert {one.name for one in LENGTHS} == set(suites()["long-context"])
    assert set(suites()["long"]) == {*suites()["long-context"], "tokens-parallel"}
    assert not any(name.startswith("long") for name in suites()["region"])
    with pytest.raises(UsageError, match="no task 'long-contex'"):
        chosen(["long-contex"])


def test_the_plan_can_be_written(tmp_path):
    made = plan("long", chosen(["long"]), Settings(languages=("lo",), limit=5))
    assert len(json.loads(json.dumps(made.facts()))["cells"]) == 10


# --- a real tokenizer


def test_the_embedded_base_counts_what_it_is_given(base_gguf, tmp_path):
    found = resolve(str(base_gguf))
    assert context_wanted([task("long-4k"), task("reading")], found) is None
    assert context_wanted([task("long-8k")], found) == 8192
    assert context_wanted([task("long-128k")], found) == 8192, "as much as it was trained for"
    assert context_wanted([task("long-128k")], Found(name="x", kind="url", place="http://x/v1")) is None
    engine = open_engine(found, slots=1)
    try:
        characters = {}
        for language in ("en", "th", "my"):
            came, made = put("long-2k", language, engine, tmp_path)
            assert came == []
            asked = questions(task("long-2k"), made, "likelihood")
            counts = engine.count_tokens([one.prompt + max(one.follows, key=len) for one in asked])
            assert max(counts) <= 2048 - 8
            assert min(counts) > 2048 - 400, "a line more would not fit: Burmese lines are long"
            characters[language] = sum(len(item.fields["passage"]) for item in made)
        assert characters["en"] > 2 * characters["th"] > 2 * characters["my"], "what a language costs"
        came, _ = put("long-512", "my", engine, tmp_path)
        assert came == "the facts and the question alone are longer"
    finally:
        engine.close()
