"""Zawgyi: found where it is, converted to what was meant, and true Unicode never touched."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripts_text import CLEAN
from zawgyi_text import zawgyi

from rumpun.language.normalise import normalise
from rumpun.language.zawgyi import at_least, convert, probability

# written for this test, not reviewed by native speakers
LINES = [
    "မြန်မာနိုင်ငံသည် အရှေ့တောင်အာရှတွင် တည်ရှိသည်။",
    "ကလေးများ ကျောင်းသို့ သွားကြသည်။",
    "ယနေ့ မိုးရွာနိုင်သည်ဟု သတင်းတွင် ပြောသည်။",
    "အင်္ဂလိပ်စာ သင်ယူခြင်း",
    "သတ္တုတွင်း လုပ်သားများ၏ ကျန်းမာရေး",
    "ဝက်သားဟင်း ချက်နည်း ၁၀ မျိုး",
]
SHAN = ["မႂ်ႇသုင်ၶႃႈ", "လိၵ်ႈတႆး", "ႁဝ်းၶႃႈ ၵႂႃႇၵၢတ်ႇ ယူႇၶႃႈ", "တူၼ်ႈမႆႉ ပႃႈမႆႉ ၼႂ်းမိူင်းတႆး"]
MON = ["ဘာသာမန်", "ဍုင်မန် ဂှ် ဒှ် ဍုင်", "ညးဗမာ တအ် ကလေၚ် စိုပ် ပ္ဍဲ"]
KAREN = ["ကညီကျိာ်", "ပှၤကညီဖိ"]


@pytest.mark.parametrize("line", LINES)
def test_a_line_in_zawgyi_is_sure_and_becomes_what_was_meant(line):
    written = zawgyi(line)
    assert written != line
    assert probability(written) > 0.99
    done = normalise(written)
    assert done.text == line
    assert done.changes["zawgyi"] > 0
    start, end = done.offsets.original(0, len(done.text))
    assert (start, end) == (0, len(written))


@pytest.mark.parametrize("line", [*LINES, *SHAN, *MON, *KAREN, CLEAN["my"], CLEAN["shn"]])
def test_unicode_is_never_taken_for_zawgyi(line):
    assert probability(line) < 0.01
    assert "zawgyi" not in normalise(line).changes
    assert normalise(line).text == line


def test_one_line_of_many_is_converted_alone():
    text = "\n".join([LINES[0], zawgyi(LINES[1]), "plain", LINES[2], zawgyi(LINES[3])])
    done = normalise(text)
    assert done.text == "\n".join([LINES[0], LINES[1], "plain", LINES[2], LINES[3]])
    place = done.text.index(LINES[2])
    start, end = done.offsets.original(place, place + len(LINES[2]))
    assert text[start:end] == LINES[2]


def test_it_may_be_asked_never_to_convert():
    written = zawgyi(LINES[0])
    assert "zawgyi" not in normalise(written, zawgyi="never").changes
    assert "zawgyi" not in normalise(written, "shn").changes
    assert "zawgyi" in normalise(written, "my").changes


def test_what_is_not_sure_is_left():
    short = "\u1031\u1019"  # one sign that is out of place: a slip in Unicode would look the same
    assert 0.5 < probability(short) < 0.99
    assert normalise(short).text == short
    assert normalise(short, zawgyi="likely").text == "\u1019\u1031"


def test_stacks_across_rows_alone_are_never_enough():
    mon = "ပ္ဍဲ" * 6  # Mon stacks consonants of different rows
    assert probability(mon) < 0.99
    assert normalise(mon).text == mon
    assert probability("\u1031က" + "တ\u1039မ") > 0.99 > probability("\u1031က")


def test_text_without_burmese_has_no_probability():
    assert probability("Selamat pagi") == 0.0
    assert probability("") == 0.0


@settings(deadline=None)
@given(st.text(st.sampled_from([chr(c) for c in range(0x1000, 0x10A0)]), max_size=30))
def test_any_string_can_be_converted(line):
    text, edits = convert(line)
    assert (text == line) == (not edits)
    assert 0 <= probability(line) <= 1


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.sampled_from([*SHAN, *MON, *LINES, *map(zawgyi, LINES), "\u1031\u1019", "က\u1039", " "]),
        max_size=6,
    ),
    st.sampled_from([0.5, 0.99]),
)
def test_stopping_early_judges_as_counting_everything_does(parts, least):
    line = "".join(parts)
    assert at_least(line, least) == (probability(line) >= least)
