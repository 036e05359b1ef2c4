"""Scripts by range, against the `regex` package's own Unicode data."""

import itertools

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from rumpun.language.scripts import SCRIPTS, runs, script_counts, script_of

NAMES = {
    "Latn": "Latin", "Thai": "Thai", "Laoo": "Lao", "Khmr": "Khmer", "Mymr": "Myanmar", "Taml": "Tamil",
    "Hani": "Han", "Arab": "Arabic", "Java": "Javanese", "Bali": "Balinese", "Hira": "Hiragana",
}  # fmt: skip


@pytest.mark.parametrize(("code", "name"), NAMES.items())
def test_every_letter_of_a_script_is_in_its_ranges(code, name):
    letters = regex.compile(rf"[\p{{Script={name}}}&&\p{{L}}]", regex.V1)
    wrong = [
        hex(point)
        for point in range(0x33480)
        if not 0xD800 <= point < 0xE000 and letters.match(chr(point)) and script_of(point) != code
    ]
    # letters that stand in another script's block or past the table: phonetic signs, ligatures, old Han forms
    allowed = [p for p in wrong if code == "Latn" and (0x1D00 <= int(p, 16) < 0x2200 or int(p, 16) > 0xA800)]
    allowed += [p for p in wrong if code in ("Arab", "Hira", "Mymr", "Hani") and int(p, 16) > 0x10000]
    assert sorted(set(wrong) - set(allowed)) == []


@given(st.text(max_size=60))
def test_counts_agree_with_the_code_points(text):
    expected = {}
    for sign in text:
        script = script_of(ord(sign))
        if script:
            expected[script] = expected.get(script, 0) + 1
    assert script_counts(text) == expected


@given(st.text(alphabet="aé ก໐ကខ字かカ1.!\u0301த", max_size=60))
def test_runs_cover_the_text_and_hold_one_script_each(text):
    found = runs(text)
    if not found:
        assert not script_counts(text)
        return
    assert found[0][0] == 0
    assert found[-1][1] == len(text)
    assert all(one[1] == two[0] and one[2] != two[2] for one, two in itertools.pairwise(found))
    for start, end, script in found:
        inside = set(script_counts(text[start:end]))
        assert inside <= ({"Hani", "Hira", "Kana"} if script == "Hani" else {script})


def test_digits_signs_and_unknown_points_have_no_script():
    assert {script_of(ord(sign)) for sign in "09 .,!฿€😀\n"} == {""}
    assert SCRIPTS[0] == ""
