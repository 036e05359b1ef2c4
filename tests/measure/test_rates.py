"""Shares and their intervals against published and plain calculations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.measure.rates import auroc, wilson


def test_the_interval_is_that_of_published_tables():
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3: 81/263 and 0/20
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0, 0.1611), abs=1e-4)
    assert wilson(0, 0) == (0, 1)
    with pytest.raises(ValueError, match="3 hits of 2 rows"):
        wilson(3, 2)


@given(st.integers(0, 50), st.integers(0, 50))
def test_the_share_lies_in_its_interval(hits, others):
    low, high = wilson(hits, hits + others)
    if hits + others:
        assert 0 <= low <= hits / (hits + others) + 1e-12
        assert hits / (hits + others) - 1e-12 <= high <= 1


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=20), st.lists(st.integers(0, 5), min_size=1, max_size=20)
)
def test_the_area_counts_pairs(positive, negative):
    wins = sum((p > n) + (p == n) / 2 for p in positive for n in negative)
    area = auroc(np.array(positive, float), np.array(negative, float))
    assert area == pytest.approx(wins / len(positive) / len(negative))


def test_one_side_alone_has_no_area():
    with pytest.raises(ValueError, match="0 positives"):
        auroc(np.zeros(0), np.zeros(3))
