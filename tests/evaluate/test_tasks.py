"""The tasks as they ship: the native suite in eleven languages, the prompts that ask it, and the list of both."""

import json
import re
import string
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chisquare

import rumpun.evaluate.tasks as module
from rumpun.errors import InputError, UsageError
from rumpun.evaluate import prompts as prompts_module
from rumpun.evaluate.items import rows_of
from rumpun.evaluate.listing import task_rows
from rumpun.evaluate.prompts import Prompts, has_prompts, languages, prompts
from rumpun.evaluate.public_table import describe, names
from rumpun.evaluate.questions import Question, questions, unaskable
from rumpun.evaluate.tasks import Task, items_of, skills, suite, suites, task, tasks
from rumpun.language.tables import WORKING
from rumpun.records.licences import terms

NATIVE = [one for one in tasks().values() if not one.public]
ASKED = [one for one in NATIVE if one.family not in ("bits", "tokens", "turns")]
REGION = Path(module.__file__).parent / "suites" / "region"
ROWS = {tag: rows_of(REGION / f"{tag}.jsonl") for tag in WORKING}

# --- the suite


@pytest.mark.parametrize("language", WORKING)
def test_every_language_has_forty_items_and_more_over_six_skills(language: str) -> None:
    by = Counter(item.language for one in suite("region") for item in items_of(one, (language,)).items)
    asked = [items_of(one, (language,)).items for one in suite("region") if one in ASKED]
    assert set(by) == {language}
    assert sum(map(len, asked)) >= 40
    assert len({one.skill for one in suite("region") if items_of(one, (language,)).items}) >= 6
    assert min(map(len, asked)) >= 10, "a task of a language has enough items to be looked at"


@pytest.mark.parametrize("language", WORKING)
def test_neither_a_place_nor_a_label_is_right_more_often(language: str) -> None:
    places, labels = Counter[tuple[int, int]](), Counter[tuple[str, str]]()
    for row in ROWS[language]:
        if "answer" in row:
            places[len(row["options"]), row["answer"]] += 1
        elif "label" in row:
            labels[row["skill"], row["label"]] += 1
    for size in (2, 4):
        counts = [places[size, place] for place in range(size)]
        assert chisquare(counts).pvalue > 0.5, counts
    assert len(labels) == 6
    assert len(set(labels.values())) == 1, labels


@pytest.mark.parametrize("skill", ["reading", "knowledge", "culture"])
def test_no_place_is_right_more_often_in_a_task_over_all_languages(skill: str) -> None:
    counts = Counter(row["answer"] for rows in ROWS.values() for row in rows if row["skill"] == skill)
    assert chisquare([counts[place] for place in range(4)]).pvalue > 0.05, counts


def test_items_are_sound_licensed_and_each_has_an_id_of_its_own() -> None:
    for one in NATIVE:
        read = items_of(one, ())
        assert read.problems == []
        assert {item.licence for item in read.items} == {"CC0-1.0"}
        ids = [item.id for item in read.items]
        assert len(set(ids)) == len(ids)
    assert terms("CC0-1.0").oblige == ()
    for tag, rows in ROWS.items():
        assert len({row["id"] for row in rows}) == len(rows)
        assert {row["language"] for row in rows} == {tag}
        assert {row["skill"] for row in rows} <= {one.name for one in NATIVE}


def test_unlinked_items_are_no_translations_of_one_another() -> None:
    """By sentence vectors: hardly any two are as near as half of the news sentences that are translations."""
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    from rumpun.encoder import Encoder

    encoder = Encoder.load()
    news = rows_of(REGION.parent / "news.jsonl")[:40]
    translated = {tag: encoder.embed([row[tag] for row in news]) for tag in WORKING}
    rows = [row for tag in WORKING for row in ROWS[tag]]
    vectors = encoder.embed([_said(row) for row in rows])
    near = vectors @ vectors.T
    alike = set()
    for one, other in combinations(WORKING, 2):
        cut = np.median((translated[one] * translated[other]).sum(axis=1))
        for n, m in _places(rows, one, other):
            linked = rows[n].get("group") and rows[n].get("group") == rows[m].get("group")
            if near[n, m] > cut and not linked:
                alike |= {rows[n]["id"], rows[m]["id"]}
    assert len(alike) <= 0.005 * len(rows), sorted(alike)
    groups = Counter(row["group"] for row in rows if "group" in row)
    assert min(groups.values()) > 1, "a group links items"


def _said(row: dict[str, object]) -> str:
    fields = [
        str(row.get(key, ""))[:200]
        for key in ("passage", "question", "premise", "hypothesis", "text", "good")
    ]
    right = row["options"][row["answer"]] if "answer" in row else ""  # type: ignore[index]
    return " ".join([*fields, right]).strip()


def _places(rows: list[dict[str, object]], one: str, other: str) -> list[tuple[int, int]]:
    mine, theirs = ([n for n, row in enumerate(rows) if row["language"] == tag] for tag in (one, other))
    return [(n, m) for n in mine for m in theirs if rows[n]["skill"] == rows[m]["skill"]]


def test_bits_and_tokens_are_of_the_reading_texts() -> None:
    reading = items_of(task("reading"), ("km",)).items
    for name in ("bpb", "tokens"):
        assert [item.fields["passage"] for item in items_of(task(name), ("km",)).items] == [
            item.fields["passage"] for item in reading
        ]


def test_translations_go_both_ways_and_are_linked() -> None:
    into, out = (
        items_of(task(f"translation-{way}-english"), ("th", "en", "my")).items for way in ("into", "from")
    )
    assert {item.language for item in into} == {item.language for item in out} == {"th", "my"}
    back = {item.id: item for item in out}
    for item in into:
        other = back[item.id]
        assert (item.more["from"], item.more["to"]) == (item.language, "en")
        assert (other.more["from"], other.more["to"]) == ("en", item.language)
        assert (item.fields["text"],) == other.gold
        assert item.gold == (other.fields["text"],)
        assert item.group == other.group
    assert Counter(Counter(item.group for item in into).values()) == {2: 110}


def test_a_label_that_is_mended_into_none_of_the_tasks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row | {"label": "positif"} if row["id"] == "id-sentiment-02" else row for row in ROWS["id"]]
    (tmp_path / "id.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setattr(module, "_REGION", tmp_path)
    with pytest.raises(InputError, match="item id-sentiment-02: label not in set: 'positif'") as caught:
        items_of(task("sentiment"), ("id",))
    assert "positive, neutral, negative" in caught.value.hint


# --- the table


def test_every_task_has_a_skill_and_every_suite_its_tasks() -> None:
    assert {one.skill for one in tasks().values()} <= set(skills())
    for name in suites():
        assert [one.name for one in suite(name)] == list(suites()[name])
    for one in tasks().values():
        if one.family == "label":
            assert one.labels
        if one.public:
            assert one.public in names()
            assert one.translates == bool(describe(one.public).target_language)


def test_names_that_are_not_there_are_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="no task 'sentimen'") as caught:
        task("sentimen")
    assert "sentiment" in caught.value.hint
    with pytest.raises(UsageError, match="no suite 'regoin'") as caught:
        suite("regoin")
    assert "region" in caught.value.hint


def test_the_list_counts_what_is_at_hand(tmp_path: Path) -> None:
    rows = {row["task"]: row for row in task_rows(tmp_path)}
    assert set(rows) == set(tasks())
    assert rows["reading"]["counts"] == dict.fromkeys(WORKING, 10)
    assert rows["reading"]["items"] == 110
    for name, one in tasks().items():
        if one.public:
            assert rows[name]["items"] is rows[name]["counts"] is None
            assert rows[name]["languages"] == list(describe(name).languages)
            assert rows[name]["licence"] == describe(name).licence


def test_the_list_counts_public_sets_as_they_are_loaded(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = describe("thai-exam-onet-m3").columns
    row = dict.fromkeys(columns, "x") | {
        "exam": "onet-m3-thai",
        "options": "(1) ก (2) ข (3) ค",
        "language": "th",
    }
    wrong = [{"label": "4"}, {"label": "0"}, {"exam": "onet-m3-english"}]
    table = [row | {"id": str(n), "label": "2"} | change for n, change in enumerate([{}, {}, *wrong])]
    (tmp_path / "eval").mkdir()
    pq.write_table(pa.Table.from_pylist(table), tmp_path / describe("thai-exam-onet-m3").file)
    (tmp_path / "xcopa.causal-reasoning.parquet").write_bytes(b"no parquet")
    rows = {row["task"]: row for row in task_rows(tmp_path)}
    assert rows["thai-exam-onet-m3"]["counts"] == {"th": 2}
    assert rows["xcopa"]["items"] is None
    assert len(items_of(task("thai-exam-onet-m3"), (), tmp_path).items) == 2


# --- the prompts

PLACES = re.compile(r"\{(\w+)\}")


def _leaves(table: dict[str, object], way: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            found |= _leaves(value, f"{way}{key}.")
        else:
            found[way + key] = value
    return found


def _templates(leaves: dict[str, object]) -> dict[str, list[str]]:
    return {key: value for key, value in leaves.items() if key.endswith((".cloze", ".ask"))}  # type: ignore[misc]


ENGLISH = _leaves({key: value for key, value in prompts("en").table.items() if key != "more_names"})


def test_the_working_languages_have_prompts_of_their_own() -> None:
    assert set(languages()) == set(WORKING)


@pytest.mark.parametrize("language", WORKING)
def test_a_file_has_the_keys_and_places_of_the_english_one(language: str) -> None:
    own = _leaves({key: value for key, value in prompts(language).table.items() if key != "more_names"})
    assert set(own) == set(ENGLISH)
    for key, variants in _templates(ENGLISH).items():
        mine = own[key]
        assert isinstance(mine, list)
        assert len(mine) == len(variants), key
        for variant, english in zip(mine, variants, strict=True):
            assert Counter(PLACES.findall(variant)) == Counter(PLACES.findall(english)), (key, variant)
            assert [p for _, p, _, _ in string.Formatter().parse(variant) if p is not None]


@pytest.mark.parametrize("language", WORKING)
def test_an_instruction_names_the_tag_and_labels_that_are_read(language: str) -> None:
    own = prompts(language)
    leaves = _leaves(dict(own.table))
    for key, variants in _templates(ENGLISH).items():
        mine = leaves[key]
        assert isinstance(mine, list)
        for variant, english in zip(mine, variants, strict=True):
            if key.endswith(".cloze"):
                assert variant == variant.rstrip(), "what follows is joined by `join`"
            else:
                assert (own.tag in variant) == ("Answer:" in english), (key, variant)
    for name in ("sentiment", "nli"):
        for variant in own.variants(name, "ask"):
            for words in own.labels(name).values():
                assert words[0].casefold() in variant.casefold(), (name, words[0])
    for name in ("sentiment", "nli", "topic"):
        said = [word.casefold() for words in own.labels(name).values() for word in words]
        assert len(set(said)) == len(said), "a word stands for one label"
        assert tuple(own.labels(name)) == tuple(prompts("en").labels(name))
    assert len(set(own.letters)) == len(own.letters) == 7
    assert set(own.table["names"]) >= set(WORKING)


@pytest.mark.parametrize("one", [one for one in ASKED if one.prompt], ids=lambda one: one.name)
def test_every_item_of_every_language_fills_every_template(one: Task) -> None:
    items = items_of(one, ()).items
    for method in ("likelihood", "letters", "generate"):
        if method == "letters" and one.family != "choice":
            continue
        for template in (0, 1, None):
            for question in questions(one, items, method, template=template):  # type: ignore[arg-type]
                text = question.prompt + "".join(message.content for message in question.messages)
                assert not PLACES.search(text), text
                for value in question.item.fields.values():
                    assert value in text or value in ("cause", "effect")


def test_a_neighbours_prompts_are_taken_where_a_language_has_none() -> None:
    assert prompts("jv").language == "id"
    assert prompts("ceb").language == "tl"
    assert has_prompts("jv")
    assert not has_prompts("shn")
    with pytest.raises(UsageError, match="no prompts for the language 'shn'"):
        prompts("shn")


def test_a_translation_of_a_language_without_prompts_is_asked_for_in_english() -> None:
    """A neighbour's templates would ask for a translation into the neighbour's own language."""
    from rumpun.evaluate.items import Item

    into = Item(
        id="1", language="ace", fields={"text": "A cat."}, gold=("x",), more={"from": "en", "to": "ace"}
    )
    out = Item(
        id="1", language="dtp", fields={"text": "Tinan"}, gold=("x",), more={"from": "dtp", "to": "en"}
    )
    own = Item(id="1", language="th", fields={"text": "แมว"}, gold=("x",), more={"from": "th", "to": "en"})

    def put(name: str, item: Item) -> Question:
        return questions(task(name), [item], "generate", template=0)[0]

    assert put("nusax-en-xx", into).messages[0].content == (
        "Translate this text into Acehnese. Write only the translation.\n\nA cat."
    )
    assert put("tatoeba-xx-en", out).messages[0].content == (
        "Translate this text into English. Write only the translation.\n\nTinan"
    )
    thai = put("translation-into-english", own)
    assert "ภาษาอังกฤษ" in thai.messages[0].content
    assert (put("nusax-en-xx", into).asked_in, thai.asked_in) == ("en", "th")


def test_what_cannot_be_asked_is_said_before_it_is() -> None:
    every = [
        (one, tag)
        for one in tasks().values()
        for tag in (describe(one.public).languages if one.public else WORKING)
    ]
    whys = {(one.name, tag): why for one, tag in every if (why := unaskable(one, tag))}
    assert whys == {
        ("dravidian-codemix", "ta"): "the prompts have no word for the label 'mixed'",
        **{("sib200", tag): f"no prompts in the language '{tag}'" for tag in ("kac", "lus", "shn")},
    }
    assert (
        unaskable(task("translation-into-english"), "xx")
        == "prompts/en.toml has no name for the language 'xx'"
    )


def _asked_in_thai() -> str:
    own = prompts("th")
    return own.filled(own.variants("question", "ask")[0], {"question": "x"}, "here")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tag = ", "th.toml: "),
        ('[question]\nask = ["{question"]', "th.toml: .*expected"),
        ("", "no prompt 'question'"),
    ],
)
def test_a_file_that_was_mended_badly_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, words: str
) -> None:
    (tmp_path / "th.toml").write_text(text)
    monkeypatch.setattr(prompts_module, "_FOLDER", tmp_path)
    languages.cache_clear()
    prompts.cache_clear()
    try:
        with pytest.raises((InputError, UsageError), match=words) as caught:
            _asked_in_thai()
        assert caught.value.hint
    finally:
        languages.cache_clear()
        prompts.cache_clear()


def test_a_field_that_the_item_lacks_is_named_with_the_file_that_asks_for_it() -> None:
    with pytest.raises(InputError, match="culture: item 3: no 'question'") as caught:
        Prompts("ta", {}).filled("{question}", {"text": "x"}, "culture: item 3")
    assert "prompts/ta.toml" in caught.value.hint
