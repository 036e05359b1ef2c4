"""Intervals: the same as a slow loop's, with the coverage that they promise, and honest about small sets."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.errors import InputError
from rumpun.measure.resample import _student, interval, paired_interval


def documents(chance: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(model bits, base bits, bytes): skewed lengths, short texts noisier; the true difference is -0.3 bits a byte."""
    sizes = np.round(np.exp(chance.normal(5.5, 0.8, count))) + 1
    base = 1.7 + 0.4 * chance.normal(size=count)
    apart = -0.3 + 0.15 * chance.normal(size=count) * (300 / sizes) ** 0.25
    return (base + apart) * sizes, base * sizes, sizes


def slow(tops: np.ndarray, bottoms: np.ndarray, draws: int, seed: int) -> tuple[float, float]:
    """The studentised bootstrap written out document by document."""
    chance = np.random.default_rng(seed)
    count = len(tops)

    def figure_and_error(t: list[float], b: list[float]) -> tuple[float, float]:
        figure = sum(t) / sum(b)
        left = sum((x - figure * y) ** 2 for x, y in zip(t, b, strict=True))
        return figure, math.sqrt(left * count / (count - 1)) / sum(b)

    whole, error = figure_and_error(list(tops), list(bottoms))
    found = []
    for _ in range(draws):
        drawn = chance.integers(0, count, count)
        figure, own = figure_and_error(list(tops[drawn]), list(bottoms[drawn]))
        found.append((figure - whole) / max(own, 0.01 * error))
    low, high = np.quantile(found, [0.025, 0.975])
    return whole - high * error, whole - low * error


def test_agrees_with_a_slow_loop() -> None:
    model, base, sizes = documents(np.random.default_rng(3), 40)
    found = paired_interval(model, base, sizes, draws=20_000, seed=1)
    expected = slow(model - base, sizes, 6_000, 2)
    assert found is not None
    width = expected[1] - expected[0]
    assert found == pytest.approx(expected, abs=0.05 * width)


@pytest.mark.parametrize("count", [20, 60, 200])
def test_holds_the_truth_as_often_as_promised(count: int) -> None:
    """Seen with 600 sets each: 0.943 of 20, 0.923 of 40, 0.947 of 100, 0.948 of 300 documents."""
    chance = np.random.default_rng(count)
    sets = 300
    held = 0
    for number in range(sets):
        low, high = paired_interval(*documents(chance, count), draws=1_000, seed=number) or (0, 0)
        held += low <= -0.3 <= high
    assert 0.91 <= held / sets <= 0.985


def test_pairing_takes_out_what_is_hard_for_both() -> None:
    model, base, sizes = documents(np.random.default_rng(5), 50)
    paired = paired_interval(model, base, sizes) or (0, 0)
    alone = interval(model, sizes) or (0, 0)
    assert paired[1] - paired[0] < 0.5 * (alone[1] - alone[0])


@given(seed=st.integers(0, 2**31), count=st.integers(2, 30))
def test_same_seed_same_interval_and_the_figure_lies_within(seed: int, count: int) -> None:
    model, base, sizes = documents(np.random.default_rng(seed), count)
    found = paired_interval(model, base, sizes, draws=500, seed=seed)
    assert found == paired_interval(model, base, sizes, draws=500, seed=seed)
    assert found is not None
    assert all(map(math.isfinite, found))
    assert found[0] <= found[1]


@given(shift=st.floats(-2, 2), seed=st.integers(0, 100))
def test_a_shift_of_every_document_shifts_the_interval(shift: float, seed: int) -> None:
    model, base, sizes = documents(np.random.default_rng(seed), 12)
    before = paired_interval(model, base, sizes, draws=300, seed=1) or (0, 0)
    after = paired_interval(model + shift * sizes, base, sizes, draws=300, seed=1) or (0, 0)
    assert after == pytest.approx((before[0] + shift, before[1] + shift), abs=1e-6)


def test_swapping_the_models_turns_the_sign() -> None:
    model, base, sizes = documents(np.random.default_rng(7), 25)
    there = paired_interval(model, base, sizes, seed=4) or (0, 0)
    back = paired_interval(base, model, sizes, seed=4) or (0, 0)
    assert back == pytest.approx((-there[1], -there[0]))


def test_equal_models_differ_by_nothing() -> None:
    _, base, sizes = documents(np.random.default_rng(8), 25)
    assert paired_interval(base, base, sizes) == (0.0, 0.0)


def test_one_document_has_no_interval_and_few_have_wide_ones() -> None:
    model, base, sizes = documents(np.random.default_rng(9), 100)
    assert paired_interval(model[:1], base[:1], sizes[:1]) is None
    widths = []
    for count in (2, 3, 4, 10, 100):
        low, high = paired_interval(model[:count], base[:count], sizes[:count]) or (0, 0)
        widths.append(high - low)
    assert widths[0] > widths[-2] > widths[-1]


def test_students_quantiles_are_the_tabled_ones() -> None:
    assert _student(0.975, 1) == pytest.approx(12.706, abs=1e-3)
    assert _student(0.975, 2) == pytest.approx(4.303, abs=1e-3)


@pytest.mark.parametrize(
    ("model", "base", "sizes", "words"),
    [
        ([1.0], [1.0, 2.0], [3.0, 4.0], "1 documents of one model, 2 of the other"),
        ([1.0, 2.0], [1.0, 2.0], [3.0], "bytes of 1"),
        ([1.0, float("inf")], [1.0, 2.0], [3.0, 4.0], "document 1: its bits are inf"),
        ([1.0, 2.0], [1.0, 2.0], [3.0, 0.0], "document 1: 0 bytes"),
    ],
)
def test_what_does_not_fit_is_named(
    model: list[float], base: list[float], sizes: list[float], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        paired_interval(np.array(model), np.array(base), np.array(sizes))
