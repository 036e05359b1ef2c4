"""Streams never end a piece inside a character, whatever the cuts, and lose nothing."""

import itertools

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from rumpun.engines.characters import HELD_MAX, clusters, decoded, whole_characters

WORDS = (
    "ကာလ", "တက္ကသိုလ်", "အင်္ဂါ", "ကြောင့်", "ភាសាខ្មែរ", "ស្ត្រី", "ที่นี่", "น้ำ", "ผู้ใหญ่", "ແຄມນ້ຳ", "மூங்கில்", "க்ஷ",
    "ꦧꦱꦗꦮ", "ꦏꦿ", "ᬩᬮᬶ", "Tiếng Việt", "e\u0301o\u0302\u0301", "竹子", "क्षि", "👩‍👩‍👧‍👦", "🇹🇭🇲🇲", "👍🏽", "1️⃣", "\r\n", "a b", "\n\n", "\u200b",
)  # fmt: skip
texts = st.lists(st.sampled_from(WORDS) | st.text(max_size=4), max_size=12).map("".join)


def cut(value, places):
    ends = sorted({min(place, len(value)) for place in places})
    return [value[a:b] for a, b in itertools.pairwise([0, *ends, len(value)])]


places = st.lists(st.integers(0, 200), max_size=40)


@given(texts, places)
def test_pieces_join_to_the_text_and_end_where_characters_end(text, where):
    pieces = list(whole_characters(cut(text, where)))
    assert "".join(pieces) == text
    assert all(pieces)
    if max(map(len, clusters(text)), default=0) <= HELD_MAX:
        ends = set(itertools.accumulate(map(len, clusters(text))))
        graphemes = set(itertools.accumulate(map(len, regex.findall(r"\X", text))))
        for end in itertools.accumulate(map(len, pieces)):
            assert end in ends
            assert end in graphemes  # never finer than Unicode's own


@given(texts.filter(lambda text: text.isprintable() or True), places)
def test_bytes_cut_anywhere_give_the_text(text, where):
    whole = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    pieces = cut(text.encode("utf-8", "surrogatepass"), where)
    assert "".join(decoded(pieces)) == whole
    assert "".join(whole_characters(decoded(pieces))) == whole


@given(st.binary(max_size=60), places)
def test_any_bytes_decode_as_python_decodes_them_whole(data, where):
    assert "".join(decoded(cut(data, where))) == data.decode("utf-8", "replace")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ကာ", ["ကာ"]),  # aa is a spacing mark that UAX 29 leaves apart
        ("တက္ကသိုလ်", ["တ", "က္က", "သို", "လ်"]),
        ("ស្រី", ["ស្រី"]),
        ("น้ำ", ["น้ำ"]),
        ("க்ஷ", ["க்ஷ"]),
        ("👩‍👩‍👧‍👦🇹🇭", ["👩‍👩‍👧‍👦", "🇹🇭"]),
    ],
)
def test_one_code_point_at_a_time_comes_out_by_character(text, expected):
    assert list(whole_characters(text)) == expected


def test_all_but_the_last_character_is_released_at_once():
    seen = []
    pieces = iter(["halo du", "nia", "\n", "x"])
    stream = whole_characters(seen.append(piece) or piece for piece in pieces)
    assert next(stream) == "halo d"
    assert seen == ["halo du"]
    assert next(stream) == "uni"
    assert next(stream) == "a\n"  # nothing joins a line's end
    assert seen == ["halo du", "nia", "\n"]


def test_an_endless_run_of_marks_is_let_go():
    most = 0
    fed = given_out = 0

    def marks():
        nonlocal fed, most
        for _ in range(10_000):
            fed += 1
            most = max(most, fed - given_out)
            yield "\u0301"

    for piece in whole_characters(marks()):
        given_out += len(piece)
    assert given_out == 10_000
    assert most <= HELD_MAX + 1


def test_an_endless_chain_of_stacked_consonants_is_let_go():
    text = "က္" * 500
    pieces = list(whole_characters(text))
    assert "".join(pieces) == text
    assert max(map(len, pieces)) <= HELD_MAX + 1
