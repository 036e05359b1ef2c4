"""Summaries: tokens of every script, the common subsequence, the seeded median."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.errors import InputError
from rumpun.evaluate.seahelm.burmese import syllables
from rumpun.evaluate.seahelm.rouge import common_length, rouge_l, seeded_median
from rumpun.evaluate.seahelm.score import score
from rumpun.evaluate.seahelm.tokenizers import clean, rouge_tokens, thai

CHECKS = (
    ("Pemerintah menaikkan harga BBM hari ini.", "Harga BBM naik hari ini.", 0.7272727272727272),
    ("Satu dua tiga", "satu dua empat tiga", 0.8571428571428571),
    ("Gempa 6,5 SR di Palu", "Gempa mengguncang Palu, 6,5 SR", 0.6666666666666666),
)
MEDIAN = 0.7503607503607502


def check_rows():
    return [{"id": n, "label": reference} for n, (reference, _, _) in enumerate(CHECKS)]


def test_the_check_values() -> None:
    found = score("abssum", "id", check_rows(), [f"Rangkuman: {answer}" for _, answer, _ in CHECKS])
    assert found.values == pytest.approx([100 * value for *_, value in CHECKS], abs=1e-9)
    assert found.metrics["rougel_f1"] == pytest.approx(100 * MEDIAN, abs=1e-9)
    assert found.normalised == found.metrics["normalized_rougel_f1"] == found.metrics["rougel_f1"]
    assert list(found.metrics) == [
        "null_count", "rougel_precision", "rougel_recall", "rougel_f1", "normalized_rougel_f1",
    ]  # fmt: skip


def test_the_median_is_not_the_mean_and_a_draw_has_the_mean() -> None:
    words = [f"kata{n}" for n in range(9)]
    kept = (0, 1, 1, 1, 2, 3, 9)  # how much of each reference the answer has
    items = [{"id": n, "label": " ".join(words)} for n in range(len(kept))]
    found = score("abssum", "id", items, ["Rangkuman: " + " ".join(words[:n]) for n in kept])
    values = [100 * 2 * n / (n + 9) for n in kept]
    assert found.values == pytest.approx(values)
    plain = found.at(np.array([[1] * 7, [0, 0, 0, 5, 0, 1, 1]]))
    assert list(plain) == list(found.metrics)
    mean = sum(values) / 7
    assert plain["rougel_f1"] == pytest.approx([mean, (5 * values[3] + values[5] + values[6]) / 7], abs=1e-9)
    assert plain["null_count"].tolist() == [1, 0]
    assert abs(mean - found.metrics["rougel_f1"]) > 0.01
    assert any("median" in fault for fault in found.faults)


def test_the_seed_is_numpys_own_and_leaves_the_common_generator_alone() -> None:
    values = np.random.default_rng(3).random((17, 2))
    state = np.random.get_state()[1].tolist()  # noqa: NPY002
    got = seeded_median(values)
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002
    np.random.seed(4156)  # noqa: NPY002  (as SEA-HELM draws)
    drawn = [np.random.choice(np.arange(17), size=17) for _ in range(1000)]  # noqa: NPY002
    expected = np.percentile([values[places].mean(axis=0) for places in drawn], 50, axis=0)
    assert got == pytest.approx(expected, abs=1e-12)


def naive_length(one, other):
    @cache
    def at(i, j):
        if i == len(one) or j == len(other):
            return 0
        if one[i] == other[j]:
            return 1 + at(i + 1, j + 1)
        return max(at(i + 1, j), at(i, j + 1))

    return at(0, 0)


tokens = st.lists(st.sampled_from("abc"), max_size=20)


@given(tokens, tokens)
def test_the_common_length_is_that_of_recursion(one, other) -> None:
    length = naive_length(tuple(one), tuple(other))
    assert common_length(one, other) == length
    precision, recall, f1 = rouge_l(one, other)
    if one and other and length:
        assert (precision, recall) == (length / len(other), length / len(one))
        assert f1 == pytest.approx(2 / (1 / precision + 1 / recall), abs=1e-12)
    else:
        assert (precision, recall, f1) == (0, 0, 0)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("a\tb\nc\rd", "a b c d"),
        ("a\u00a0b\u3000c", "a b c"),
        ("a\u200bb\u200cc\x00\ufffdd\x85e", "abcde"),
        ("a\u2028b", "a b"),
        ("6,5 (SR) x_y a+b c€d", "6 5 SR x y a b c€d"),
        ("ဟုတ်ပါ။ ပြီး၊", "ဟုတ်ပါ ပြီး"),
        ("«dua»—tiga…", "dua tiga"),
        ("...", ""),
    ],
)
def test_cleaning(text, cleaned) -> None:
    assert clean(text) == cleaned


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("ကျွန်ုပ်", ["ကျွန်ု", "ပ်"]),  # the second closing consonant in a row stays alone
        ("မြန်မာ", ["မြန်", "မာ"]),
        ("သတ္တဝါ", ["သ", "တ္တ", "ဝါ"]),
        ("ကောင်း", ["ကောင်း"]),  # a sign of tone makes the unit three code points: still glued
        ("နိုင်ငံ", ["နိုင်", "ငံ"]),
        ("Ab 12", ["a", "b", "1", "2"]),
        ("ပန\u1037\u103a", ["ပန\u103a\u1037"]),  # the dot goes behind the asat
        ("ာက", ["ာ", "က"]),
        ("", []),
    ],
)
def test_burmese_syllables(text, units) -> None:
    assert syllables(text) == units


def test_a_unit_of_four_code_points_with_asat_is_not_glued() -> None:
    assert syllables("ကော်") == ["ကော်"]  # one unit
    assert syllables("လျှော်") == ["လျှော်"]
    assert syllables("ကကော်") == ["က", "ကော်"]
    assert syllables("ကကျော်") == ["က", "ကျော်"]


@given(st.text(st.sampled_from("ကခငစညတနပမယရလဝသဟအါာိီုူေဲံ့း်္ျြွှ၁a "), max_size=14))
def test_burmese_keeps_every_sign_but_the_spaces(text) -> None:
    units = syllables(text)
    kept = "".join(text.split()) if "့်" in text else text.replace(" ", "")
    assert sorted("".join(units)) == sorted(kept)
    assert all(units)


def test_tokens_by_language() -> None:
    assert rouge_tokens("Harga BBM-nya naik 6,5%!", "id") == ["harga", "bbm", "nya", "naik", "6", "5"]
    assert rouge_tokens("Covid19 北京a", "vi") == ["covid", "19", "北", "京", "a"]
    assert rouge_tokens("รัฐบาล ขึ้นราคา!", "th") == ["รัฐบาล", " ", "ขึ้นราคา"] == thai("รัฐบาล ขึ้นราคา")
    assert rouge_tokens("မြန်မာ။ Ab", "my") == ["မြန်", "မာ", "a", "b"]
    assert rouge_tokens(" ... ", "th") == []


def test_thai_spaces_are_shared_for_nothing() -> None:
    found = score("abssum", "th", [{"id": 1, "label": "รัฐบาล ขึ้นราคา"}], ["บทสรุป: แมว กินปลา"])
    assert found.metrics["rougel_f1"] > 0
    assert any("White space" in fault for fault in found.faults)


def test_answers_without_a_tag_empty_ones_and_lines() -> None:
    items = [{"id": n, "label": "satu dua"} for n in range(4)]
    found = score(
        "abssum", "id", items, ["satu dua", None, "Rangkuman: satu\ndua", "Rangkuman:\n**satu dua**"]
    )
    assert found.answers == ("satu dua", "", "satu", "satu dua**")
    assert found.values == pytest.approx([100, 0, 100 * 2 / 3, 100])
    assert found.metrics["null_count"] == 1
    assert found.parse_failures == 2


def test_a_reference_is_text() -> None:
    with pytest.raises(InputError, match=r"item 1 \(id 3\): label is a list"):
        score("abssum", "id", [{"id": 3, "label": ["a"]}], ["a"])
