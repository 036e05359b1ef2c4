"""What may be checked: every shape of JSON object, what is wrong with others, and the time that a megabyte takes."""

import json
import time

import pytest
from made_guard import UNSAFE_WORD, tiny_guard

from rumpun.errors import InputError
from rumpun.guard.exchange import Exchange, exchange_of
from rumpun.guard.read import exchanges_of

SECRET = "zorkblip"


def turns(*pairs):
    return {"messages": [{"role": role, "content": content} for role, content in pairs]}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"text": "a"}, Exchange("a")),
        ({"prompt": "a"}, Exchange("a")),
        ({"prompt": "a", "text": "b"}, Exchange("a")),
        ({"prompt": ""}, Exchange("")),
        ({"prompt": "a", "response": None}, Exchange("a")),
        ({"prompt": "a", "response": ""}, Exchange("", "answer", ("a",))),
        ({"prompt": "a", "response": "b"}, Exchange("b", "answer", ("a",))),
        ({"text": "a", "response": "b", "id": 4}, Exchange("b", "answer", ("a",))),
        ({"response": "b"}, Exchange("b", "answer")),
        ({"prompt": "", "response": "b"}, Exchange("b", "answer")),
        (turns(("user", "a")), Exchange("a")),
        (turns(("system", "s"), ("user", "a"), ("assistant", "b"), ("user", "c")), Exchange("c", "prompt", ("s", "a"))),
        (turns(("user", "a"), ("assistant", "b")), Exchange("b", "answer", ("a",))),
        (turns(("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")), Exchange("d", "answer", ("c",))),
        (turns(("assistant", "b")), Exchange("b", "answer")),
        (turns(("user", "a"), ("tool", "t")), Exchange("t", "prompt", ("a",))),
        (turns(("user", [{"type": "text", "text": "a"}, {"type": "image_url"}, {"type": "text", "text": "b"}])), Exchange("a\nb")),
        (turns(("user", [])), Exchange("")),
        ({**turns(("user", "a")), "prompt": "b"}, Exchange("a")),
    ],
)  # fmt: skip
def test_every_shape(row, expected):
    assert exchange_of(row, "line 1") == expected


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({}, "expected 'prompt', 'prompt' and 'response', or 'messages'; found nothing"),
        ({"id": 1, "b": SECRET}, "found b, id"),
        ({"prompt": None}, "expected 'prompt'"),
        ({"prompt": [SECRET]}, "'prompt' is a list"),
        ({"text": {"a": SECRET}}, "'prompt' is a dict"),
        ({"prompt": SECRET, "response": 5}, "'response' is a int"),
        ({"messages": []}, "'messages' is no list of turns"),
        ({"messages": SECRET}, "'messages' is no list of turns"),
        ({"messages": None}, "'messages' is no list of turns"),
        ({"messages": {"role": "user", "content": SECRET}}, "'messages' is no list of turns"),
        ({"messages": [SECRET]}, r"messages\[0\] needs 'role' and 'content'"),
        ({"messages": [{"role": "user", "content": SECRET}, {"role": "user"}]}, r"messages\[1\] needs"),
        ({"messages": [{"content": SECRET}]}, r"messages\[0\] needs"),
        ({"messages": [{"role": "user", "content": {"text": SECRET}}]}, r"messages\[0\] needs"),
    ],
)  # fmt: skip
def test_other_objects_are_refused_by_place_and_never_quoted(row, says):
    with pytest.raises(InputError, match=says) as caught:
        exchange_of(row, "x.jsonl: line 4")
    assert caught.value.message.startswith("x.jsonl: line 4: ")
    assert SECRET not in caught.value.message + caught.value.hint


def test_no_text_shows_in_what_is_printed_of_an_exchange():
    assert SECRET not in repr(Exchange(SECRET, "answer", (SECRET,)))


def test_the_last_turns_are_looked_at_with_the_text():
    whole = exchange_of(turns(*[("user", f"t{n}") for n in range(12)]), "x")
    assert whole.views() == ["t11", "\n".join(f"t{n}" for n in range(3, 12))]
    assert Exchange("a").views() == ["a"]


def test_lines_are_objects_or_texts(tmp_path):
    path = tmp_path / "in.jsonl"
    lines = [
        json.dumps({"prompt": "a", "response": "b"}),
        "plain text",
        ' {"text": "c"}',
        "",
        '["not", "an", "object"]',
    ]
    path.write_text("\n".join(lines) + "\n")
    found = [one for _, _, some in exchanges_of([path]) for one in some]
    assert found == [
        Exchange("b", "answer", ("a",)),
        Exchange("plain text"),
        Exchange("c"),
        Exchange(""),
        Exchange(lines[4]),
    ]


@pytest.mark.parametrize(
    "line", [f'{{"prompt": "{SECRET}"', f"{{{SECRET}}}", f'{{"prompt": "{SECRET}\\ud800"}}']
)
def test_a_broken_object_is_named_by_its_line(tmp_path, line):
    path = tmp_path / "in.jsonl"
    path.write_text('{"prompt": "a"}\n' + line + "\n")
    with pytest.raises(InputError, match=r"in\.jsonl: line 2: not JSON") as caught:
        list(exchanges_of([path]))
    assert SECRET not in caught.value.message + caught.value.hint


UNITS = (
    "please plan a small garden with herbs ",
    "ช่วยวางแผนสวนเล็กๆหลังบ้านให้หน่อย",
    "ဥယျာဉ်ငယ်တစ်ခုစီစဉ်ပေးပါ",
    "a",
    "z-o-r ",
)


@pytest.mark.parametrize("unit", UNITS, ids=["en", "th", "my", "one letter", "spaced"])
def test_a_megabyte_takes_bounded_and_linear_time(tmp_path_factory, unit):
    guard = tiny_guard(tmp_path_factory.mktemp("guard"))
    whole = unit * (1_000_000 // len(unit.encode()))
    guard.check([whole[:1000]])  # tables load once
    spent = {}
    for share in (4, 1):
        text = whole[: len(whole) // share] + f" {UNSAFE_WORD} "
        start = time.process_time()
        verdict = guard.check([text])[0]
        spent[share] = time.process_time() - start
        assert verdict.flagged  # the n-grams find the window that counts
        assert verdict.read < 1 or unit == "a"  # the normaliser makes a run of one letter short
    assert spent[1] < 10
    assert spent[1] < 9 * spent[4] + 0.5  # four times the text; squared, it would be sixteen


def test_a_megabyte_before_an_answer_is_bounded_too(tmp_path):
    guard = tiny_guard(tmp_path)
    start = time.process_time()
    verdict = guard.check(
        [exchange_of({"prompt": UNITS[1] * 10_000, "response": f"yes {UNSAFE_WORD}"}, "x")]
    )[0]
    assert time.process_time() - start < 10
    assert verdict.role == "answer"
    assert verdict.flagged
