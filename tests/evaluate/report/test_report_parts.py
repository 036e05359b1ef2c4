"""The parts of a page: texts made fit to show, numbers, intervals of means, places of marks."""

import math
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from page_parts import HOSTILE
from report_runs import wilson

from rumpun.evaluate.records import Figure
from rumpun.evaluate.report.intervals import weighted
from rumpun.evaluate.report.numbers import figure_text, number
from rumpun.evaluate.report.plots import scale_of, stacked
from rumpun.evaluate.report.text import clip, short, visible
from rumpun.language.graphemes import graphemes


@given(HOSTILE)
def test_what_acts_unseen_is_named(text: str) -> None:
    said = visible(text)
    said.encode()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]", said)
    assert visible(said) == said


def test_joiners_of_the_region_s_scripts_stay() -> None:
    for text in ("ក្រុង\u200bភ្នំពេញ", "க்\u200cஷ", "มา\u00a0ดู", "two\nlines\tand a tab"):
        assert visible(text) == text


def test_a_text_whose_middle_is_one_character_is_shown_whole() -> None:
    """The letter with its vowel sign reaches over the place of the cut: nothing of it is lost."""
    text = "aaaaaำa"
    assert clip(text, 6).head == text
    assert short(text, 6) == text


@given(st.text(st.sampled_from("ab กำรูเ\u0e49ណ្ណែក்ஷ中👩\u200d👧x"), max_size=400), st.integers(6, 120))
def test_a_cut_text_is_whole_characters_from_both_ends_with_a_true_count(text: str, most: int) -> None:
    found = clip(text, most)
    assert len(found.head) + found.left + len(found.tail) == len(text)
    assert text.startswith(found.head)
    assert text.endswith(found.tail)
    if found.left:
        longest = max(end - start for start, end in graphemes(text))
        if longest < 64:
            places = {start for start, _ in graphemes(text)} | {len(text)}
            assert {len(found.head), len(text) - len(found.tail)} <= places
        assert len(found.head) <= most * 2 // 3
        assert len(found.tail) <= most - most * 2 // 3 + 64
    else:
        assert found.head == text


@given(st.text(max_size=300))
def test_names_are_short_and_on_one_line(text: str) -> None:
    said = short(text, 30)
    assert "\n" not in said
    assert said == " ".join(said.split())


def test_the_interval_of_a_sum_is_newcombe_s_for_two_shares() -> None:
    """Newcombe (1998, Statistics in Medicine 17, 873): 56 of 70 less 48 of 80 is 0.2, 0.0524 to 0.3339 by his method 10."""
    shares = [Figure(value=right / of, ci95=exact_wilson(right, of)) for right, of in ((56, 70), (32, 80))]
    found = weighted([(1.0, one) for one in shares])  # 56/70 + (1 - 48/80)
    assert found.value - 1 == pytest.approx(0.2)
    assert found.ci95[0] - 1 == pytest.approx(0.0524, abs=5e-5)
    assert found.ci95[1] - 1 == pytest.approx(0.3339, abs=5e-5)


def exact_wilson(right: int, count: int, z: float = 1.959964) -> tuple[float, float]:
    share = right / count
    middle, reach = (
        share + z * z / (2 * count),
        z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)),
    )
    return tuple((middle + side * reach) / (1 + z * z / count) for side in (-1, 1))


@given(st.lists(st.floats(-1e6, 1e6), max_size=8), st.booleans())
def test_a_scale_holds_all_it_shows_in_order(values: list[float], zero: bool) -> None:
    scale = scale_of([Figure(value=value, ci95=(value - 1, value + 2)) for value in values], zero=zero)
    if not values:
        assert scale is None
        return
    assert scale.low <= min(values) - 1 + 1e-9 * (1 + abs(min(values)))
    assert scale.high >= max(values) + 2 - 1e-9 * (1 + abs(max(values)))
    assert not zero or scale.low <= 0 <= scale.high
    places = [float(scale.at(value)) for value in sorted(values)]
    assert places == sorted(places)
    assert all(0 < place < 100 for place in places)
    labels = [scale.label(tick) for tick in scale.ticks]
    assert 2 <= len(labels) == len(set(labels)) <= 8


@given(st.lists(st.integers(0, 50), min_size=3, max_size=3), st.integers(0, 40))
def test_bars_stand_side_by_side_and_end_with_the_whole(counts: list[int], rest: int) -> None:
    whole = sum(counts) + rest
    bars = stacked([(str(place), count) for place, count in enumerate(counts)], whole)
    assert [bar.kind for bar in bars] == [str(place) for place, count in enumerate(counts) if count]
    assert all(bar.start + bar.width <= 100 + 1e-9 for bar in bars)
    assert all(one.start + one.width == pytest.approx(other.start) for one, other in pairwise(bars))


def test_numbers() -> None:
    assert number(-0.04) == "0.0"
    assert number(-1234.56) == "\u22121,234.6"
    assert number(3.2, sign=True) == "+3.2"
    assert number(12) == "12"
    assert number(None) == number(math.nan) == number("9") == number(True) == "–"
    assert figure_text(Figure(value=0.5, ci95=(-1.0, 2.0))) == "0.5 (\u22121.0 to 2.0)"


def test_the_builder_s_intervals_are_intervals() -> None:
    assert wilson(6, 12)[0] < 0.5 < wilson(6, 12)[1]
    assert exact_wilson(6, 12) == pytest.approx(wilson(6, 12), abs=1e-3)
