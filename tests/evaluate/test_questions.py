"""How an item is put: as a text with what could follow, by letters, in a chat or as a text to go on from."""

from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from rumpun.engines.port import Message
from rumpun.errors import InputError, UsageError
from rumpun.evaluate.items import Item
from rumpun.evaluate.prompts import lettered, prompts
from rumpun.evaluate.questions import Question, check_template, label_words, methods_of, questions
from rumpun.evaluate.tasks import Task, items_of, task, tasks
from rumpun.language.tables import WORKING

BOTH, SCORES, TALKS, GOES_ON = map(
    frozenset, (("chat", "generate", "score"), ("score",), ("chat", "generate"), ("generate",))
)
KNOWLEDGE = Item(
    id="k1", language="vi", fields={"question": "Sông nào dài nhất Việt Nam?"}, options=("Sông Hồng", "Sông Mê Kông"), gold=1
)  # fmt: skip
LABELLED = Item(id="s1", language="th", fields={"text": "ไม่อร่อยเลย"}, gold=("negative",))
PAIR = Item(id="g1", language="id", options=("Ibu memasak nasi.", "Ibu dimasak nasi."), gold=0)


def put(name: str, item: Item, method: str, **options: bool | int) -> Question:
    return questions(task(name), [item], method, **options)[0]  # type: ignore[arg-type]


def test_options_follow_a_text_that_does_not_show_them() -> None:
    found = put("knowledge", KNOWLEDGE, "likelihood", template=0)
    own = prompts("vi")
    assert found.prompt == own.variants("question", "cloze")[0].format(question=KNOWLEDGE.fields["question"])
    assert not any(option in found.prompt for option in KNOWLEDGE.options)
    assert found.follows == (" Sông Hồng", " Sông Mê Kông")
    assert found.values == KNOWLEDGE.options
    assert found.messages == ()
    assert (found.asked_in, found.template) == ("vi", "vi/question/cloze/0")


@pytest.mark.parametrize(("language", "first"), [("zh", "A"), ("my", "က"), ("en", "A")])
def test_letters_follow_a_text_that_shows_the_options(language: str, first: str) -> None:
    item = items_of(task("culture"), (language,)).items[0]
    found = put("culture", item, "letters", template=1)
    own = prompts(language)
    assert found.prompt.endswith(f"\n\n{own.tag}")
    assert lettered(item.options, own.letters) in found.prompt
    assert found.follows == tuple(own.join + letter for letter in own.letters[:4])
    assert found.follows[0] == own.join + first
    assert found.values == item.options


def test_a_chat_is_shown_the_options_and_answers_freely() -> None:
    found = put("knowledge", KNOWLEDGE, "generate", template=0)
    assert found.prompt == ""
    (message,) = found.messages
    assert message == Message("user", message.content)
    assert "A. Sông Hồng\nB. Sông Mê Kông" in message.content
    assert (found.shown, found.values, found.stop) == (KNOWLEDGE.options, (), ())
    assert found.max_tokens == 32


def test_a_text_to_go_on_from_shows_the_options_too_and_ends_with_the_tag() -> None:
    found = put("knowledge", KNOWLEDGE, "generate", template=0, chat=False)
    assert found.messages == ()
    assert "A. Sông Hồng\nB. Sông Mê Kông" in found.prompt
    assert found.prompt.endswith(prompts("vi").tag)
    assert found.stop == ("\n",)


def test_labels_follow_by_their_first_word_and_are_asked_for_by_it() -> None:
    found = put("sentiment", LABELLED, "likelihood", template=1)
    assert found.values == ("positive", "neutral", "negative")
    assert found.follows == (" เชิงบวก", " เป็นกลาง", " เชิงลบ")
    said = put("sentiment", LABELLED, "generate")
    assert said.values == found.values
    assert said.shown == ()
    assert label_words(said, task("sentiment"))["negative"][0] == "เชิงลบ"
    topic = Item(id="t", language="ms", fields={"text": "Piala Dunia bermula."}, gold=("sports",))
    words = [own[0] for own in prompts("ms").labels("topic").values()]
    assert ", ".join(words) in put("sib200", topic, "generate").messages[0].content


def test_only_the_labels_of_the_task_are_put() -> None:
    two = Task(
        name="two", skill="understanding", family="label", prompt="sentiment", labels=("positive", "negative")
    )
    found = questions(two, [LABELLED], "likelihood")[0]
    assert found.values == ("positive", "negative")
    assert list(label_words(questions(two, [LABELLED], "generate")[0], two)) == ["positive", "negative"]


def test_a_pair_is_two_texts_after_nothing() -> None:
    found = put("grammar", PAIR, "likelihood")
    assert (found.prompt, found.follows, found.values) == ("", PAIR.options, PAIR.options)
    assert found.template == ""


def test_an_instruction_is_put_in_its_own_words() -> None:
    item = Item(
        id="i", language="en", fields={"prompt": "Write {two} lines."}, more={"instruction_id_list": []}
    )
    talk, text = (put("ifeval", item, "generate", chat=chat) for chat in (True, False))
    assert (talk.messages, talk.prompt) == ((Message("user", "Write {two} lines."),), "")
    assert (text.messages, text.prompt, text.stop) == ((), "Write {two} lines.", ())
    assert talk.max_tokens == 1024


@pytest.mark.parametrize("language", [tag for tag in WORKING if tag != "en"])
def test_translations_are_asked_for_in_the_language_that_is_tested(language: str) -> None:
    own = prompts(language)
    for way, name in (("into", "translation.from"), ("from", "translation.into")):
        item = items_of(task(f"translation-{way}-english"), (language,)).items[0]
        found = put(f"translation-{way}-english", item, "generate", template=0)
        assert found.template == f"{language}/{name}/ask/0"
        target = own.name("en" if way == "into" else language)
        stem = target.casefold().rstrip("்")  # Tamil adds its case to the name
        assert stem in found.messages[0].content.casefold()
        assert item.fields["text"] in found.messages[0].content
        assert found.max_tokens == 256


def test_cause_and_effect_have_texts_of_their_own() -> None:
    for item in items_of(task("causal"), ("en",)).items:
        found = put("causal", item, "likelihood", template=0)
        assert found.prompt.endswith("because:" if item.fields["asks"] == "cause" else "As a result:")


@pytest.mark.parametrize(
    ("family", "can", "ways"),
    [
        ("choice", BOTH, ("likelihood", "letters", "generate")),
        ("choice", SCORES, ("likelihood", "letters")),
        ("choice", TALKS, ("generate",)),
        ("label", BOTH, ("likelihood", "generate")),
        ("label", GOES_ON, ("generate",)),
        ("pairs", BOTH, ("likelihood",)),
        ("pairs", TALKS, ()),
        ("text", BOTH, ("generate",)),
        ("text", SCORES, ()),
        ("instructions", BOTH, ("generate",)),
        ("choice", frozenset({"embed"}), ()),
    ],
)
def test_the_ways_are_those_of_the_engine_and_of_the_task(
    family: str, can: frozenset[str], ways: tuple[str, ...]
) -> None:
    one = Task(name="x", skill="reasoning", family=family)  # type: ignore[arg-type]
    assert methods_of(one, can) == ways


def test_variants_take_turns_by_the_id_and_always_alike() -> None:
    named = [
        Item(id=f"item-{n}", language="id", fields={"question": "Apa?"}, options=("a", "b"), gold=0)
        for n in range(400)
    ]
    first = questions(task("knowledge"), named, "likelihood")
    again = questions(task("knowledge"), named[::-1], "likelihood")[::-1]
    assert [q.template for q in first] == [q.template for q in again]
    counts = Counter(q.template for q in first)
    assert set(counts) == {"id/question/cloze/0", "id/question/cloze/1"}
    assert chisquare(list(counts.values())).pvalue > 0.01
    for language in WORKING:  # in the suite too, both are met
        for name in ("reading", "nli", "culture"):
            put_so = questions(task(name), items_of(task(name), (language,)).items, "generate")
            assert len({q.template for q in put_so}) == 2


def test_a_variant_that_is_named_is_taken_or_the_last_one_there_is() -> None:
    for template in (0, 1):
        assert put("knowledge", KNOWLEDGE, "generate", template=template).template.endswith(f"/{template}")
    open_one = Item(id="o", language="su", fields={"question": "Naon?"}, gold=("x",))
    assert put("blend", open_one, "generate", template=1, chat=False).template == "id/open/cloze/0"


def test_a_variant_that_no_task_has_is_refused() -> None:
    asked = [(task("knowledge"), "vi"), (task("causal"), "th"), (task("grammar"), "id"), (task("bpb"), "my")]
    check_template(1, asked)
    with pytest.raises(UsageError, match="--template 2: no task has more than 2 variants") as caught:
        check_template(2, asked)
    assert caught.value.hint == "name one from 0 to 1"
    with pytest.raises(UsageError, match="--template 1"):
        check_template(1, asked[2:])


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("knowledge", {"fields": {"text": "x"}}, "knowledge: item k1: no 'question'"),
        ("causal", {"fields": {"premise": "x", "asks": "why"}}, "causal: item k1: asks = 'why'"),
        ("causal", {"fields": {"premise": "x"}}, "causal: item k1: asks = None"),
        ("knowledge", {"options": tuple("abcdefgh")}, "knowledge: item k1: 8 options"),
    ],
)
def test_what_an_item_lacks_is_named(name: str, changes: Mapping[str, object], words: str) -> None:
    import dataclasses

    item = dataclasses.replace(KNOWLEDGE, **changes)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=words) as caught:
        put(name, item, "generate")
    assert caught.value.hint


@given(st.text(), st.lists(st.text(), min_size=2, max_size=7))
def test_braces_and_signs_of_an_item_stand_as_they_are(text: str, options: list[str]) -> None:
    item = Item(id="x", language="my", fields={"question": text}, options=tuple(options), gold=0)
    for method in ("likelihood", "letters", "generate"):
        found = put("knowledge", item, method)
        assert text in found.prompt + "".join(message.content for message in found.messages)
        if method == "likelihood":
            assert [f.removeprefix(prompts("my").join) for f in found.follows] == options


def test_every_task_can_be_put_in_some_way_to_an_engine_that_can_all() -> None:
    for one in tasks().values():
        if one.family not in ("bits", "tokens", "parallel"):
            assert methods_of(one, BOTH)
