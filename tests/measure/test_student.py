"""Student's t against scipy's, and at its edges."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.measure.student import student


@given(st.floats(0.001, 0.999), st.floats(1, 1e6))
def test_quantiles_are_scipys(level, freedom) -> None:
    stats = pytest.importorskip("scipy.stats", reason="scipy is not installed (make dev)")
    assert student(level, freedom) == pytest.approx(stats.t.ppf(level, freedom), rel=1e-5, abs=1e-9)


def test_quantiles_are_the_tabled_ones() -> None:
    # Student 1908 and every table since: 97.5 % at 1, 2, 10 and 30 degrees of freedom
    for freedom, expected in ((1, 12.7062), (2, 4.3027), (10, 2.2281), (30, 2.0423)):
        assert student(0.975, freedom) == pytest.approx(expected, abs=5e-5)
    assert student(0.5, 7) == 0
    assert student(0.025, 7) == -student(0.975, 7)


@pytest.mark.parametrize(("level", "freedom"), [(0, 3), (1, 3), (0.5, 0.5)])
def test_what_has_no_quantile_is_refused(level, freedom) -> None:
    with pytest.raises(ValueError, match=f"level {level}, freedom {freedom}"):
        student(level, freedom)
