"""The mathematics of one tensor, against formulas written out in float64, and what must hold for any numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from rumpun.errors import UsageError
from rumpun.layer.merging.methods import merge_tensor
from rumpun.layer.merging.params import METHODS, MergeSettings, SweepParams, check_count


def drawn(seed, count=3, shape=(40, 30)):
    random = np.random.default_rng(seed)
    return [random.standard_normal(shape).astype(np.float32) for _ in range(count)]


def merged(parents, base=None, **asked):
    asked = MergeSettings(**asked)
    check_count(asked, parents, based=base is not None)
    return merge_tensor(asked, "x.weight", [parent.copy() for parent in parents], base)


def ties_reference(parents, base, weights, density, *, normalize=True, scale=1.0):
    """Yadav et al. 2023, section 4: trim, elect, merge; place by place."""
    kept = []
    for parent in parents:
        task = (parent.astype(np.float64) - base).ravel()
        order = np.argsort(-np.abs(task), kind="stable")[: int(density * task.size)]
        trimmed = np.zeros_like(task)
        trimmed[order] = task[order]
        kept.append(trimmed)
    out = np.zeros(base.size)
    for place in range(base.size):
        values = [weight * task[place] for weight, task in zip(weights, kept, strict=True)]
        sign = 1 if sum(values) >= 0 else -1
        agree = [(w, v) for w, v in zip(weights, values, strict=True) if v * sign > 0]
        share = sum(w for w, _ in agree) if normalize else 1.0
        out[place] = sum(v for _, v in agree) / share if agree else 0.0
    return base + scale * out.reshape(base.shape)


def test_linear_is_the_weighted_mean():
    one, two, three = drawn(0)
    wide = [x.astype(np.float64) for x in (one, two, three)]
    expected = (0.5 * wide[0] + 0.2 * wide[1] + 0.6 * wide[2]) / 1.3
    np.testing.assert_allclose(
        merged([one, two, three], method="linear", weight=(0.5, 0.2, 0.6)), expected, atol=1e-6
    )
    np.testing.assert_allclose(
        merged([one, two, three], method="linear", weight=(0.5, 0.2, 0.6), normalize=False),
        expected * 1.3,
        atol=1e-6,
    )


def test_task_arithmetic_adds_weighted_differences():
    base, one, two = drawn(1)
    wide = [x.astype(np.float64) for x in (base, one, two)]
    expected = wide[0] + 0.7 * (0.5 * (wide[1] - wide[0]) - 0.3 * (wide[2] - wide[0]))
    found = merged([one, two], base, method="task_arithmetic", weight=(0.5, -0.3), lambda_=0.7)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("density", [1.0, 0.5, 0.2])
@pytest.mark.parametrize("normalize", [True, False])
def test_ties_is_the_papers(density, normalize):
    base, *parents = drawn(2, 4, (12, 9))
    weights = (1.0, 0.5, 0.8)
    found = merged(
        parents, base, method="ties", weight=weights, density=density, normalize=normalize, lambda_=0.9
    )
    expected = ties_reference(parents, base, weights, density, normalize=normalize, scale=0.9)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_each_parent_has_its_own_density():
    base, one, two = drawn(3)
    found = merged([one, two], base, method="ties", weight=(1.0, 0.0), density=(0.25, 1.0), normalize=False)
    assert np.isclose(np.mean(found != base), 0.25, atol=0.01)


def test_breadcrumbs_keep_the_middle():
    base = np.zeros((10, 10), np.float32)
    one = np.arange(1, 101, dtype=np.float32).reshape(10, 10)
    found = merged([one], base, method="breadcrumbs", density=0.5, gamma=0.1)
    assert sorted(found[found != 0].tolist()) == list(range(41, 91))


def test_slerp_turns_at_an_even_pace_and_ends_at_its_ends():
    one, two = drawn(4, 2)
    two *= np.float32(np.linalg.norm(one) / np.linalg.norm(two))

    def angle(x, y):
        x, y = (v.ravel().astype(np.float64) for v in (x, y))
        return np.arccos(np.clip(x @ y / np.linalg.norm(x) / np.linalg.norm(y), -1, 1))

    for t in (0.0, 0.25, 0.5, 1.0):
        found = merged([one, two], method="slerp", t=t)
        assert np.isclose(np.linalg.norm(found), np.linalg.norm(one), rtol=1e-5)
        assert np.isclose(angle(one, found), t * angle(one, two), atol=1e-3)
    np.testing.assert_allclose(merged([one, two], method="slerp", t=0.0), one, atol=1e-6)
    np.testing.assert_allclose(merged([one, two], method="slerp", t=1.0), two, atol=1e-6)
    np.testing.assert_allclose(merged([one, 2 * one], method="slerp", t=0.5), 1.5 * one, atol=1e-5)


def test_slerp_takes_t_by_the_tensors_name():
    one, two = drawn(5, 2)
    asked = MergeSettings(method="slerp", t=0.5, t_filters={"self_attn": 0.0, "mlp": 1.0})
    for name, expected in (("a.self_attn.q", one), ("a.mlp.up", two)):
        np.testing.assert_allclose(
            merge_tensor(asked, name, [one.copy(), two.copy()], None), expected, atol=1e-6
        )


def test_dare_keeps_the_share_and_the_mean():
    """Of 400,000 numbers a share of 0.3 +- 5 standard errors stays, each times 1 / 0.3, so that the sum is kept."""
    base = np.zeros((1000, 400), np.float32)
    one = np.full_like(base, 2.0)
    found = merged([one], base, method="dare_linear", density=0.3)
    share = np.mean(found != 0)
    assert abs(share - 0.3) < 5 * np.sqrt(0.3 * 0.7 / base.size)
    np.testing.assert_allclose(found[found != 0], 2 / 0.3, rtol=1e-6)
    rows = (found != 0).mean(
        axis=1
    )  # no row is favoured: binomial, so 5 errors bound 1,000 of them but for 1 in 1,000
    assert np.abs(rows - 0.3).max() < 5 * np.sqrt(0.3 * 0.7 / 400)


def test_dare_draws_by_seed_name_and_parent_alone():
    base, one = drawn(6, 2)
    asked = MergeSettings(method="dare_linear", density=0.5)

    def mask(name, seed, parents=(one,)):
        return merge_tensor(asked, name, [parent.copy() for parent in parents], base, seed=seed) != base

    assert (mask("a", 1) == mask("a", 1)).all()
    for other in (mask("b", 1), mask("a", 2)):
        assert 0.4 < np.mean(mask("a", 1) == other) < 0.6
    alone, both = mask("a", 1), mask("a", 1, (one, one))
    assert 0.7 < both.mean() < 0.8  # two masks of a half, drawn apart
    assert (both | alone == both).all()


def test_without_thinning_every_difference_method_gives_back_a_lone_parent():
    numbers = arrays.arrays(np.float32, (4, 5), elements=st.floats(-100, 100, width=32))

    @settings(max_examples=60)
    @given(numbers, numbers, st.sampled_from(["task_arithmetic", "ties", "dare_linear", "dare_ties"]))
    def check(base, one, method):
        np.testing.assert_allclose(merged([one], base, method=method), one, rtol=1e-5, atol=1e-4)

    check()


def test_merging_equals_gives_the_same():
    numbers = arrays.arrays(np.float32, (3, 4), elements=st.floats(-100, 100, width=32))

    @settings(max_examples=60)
    @given(
        numbers,
        st.lists(st.floats(0.1, 3), min_size=2, max_size=4),
        st.sampled_from(["linear", "slerp", "ties"]),
    )
    def check(one, weights, method):
        count = 2 if method == "slerp" else len(weights)
        base = np.zeros_like(one) if method == "ties" else None
        found = merged([one] * count, base, method=method, weight=tuple(weights[:count]))
        np.testing.assert_allclose(found, one, rtol=1e-4, atol=1e-4)

    check()


@pytest.mark.parametrize(
    ("asked", "parents", "based", "words"),
    [
        ({"method": "linear", "weight": (0.5,)}, 2, False, r"weight: 1 values \(0.5\) for 2 parents"),
        ({"method": "ties", "density": (0.5, 0.2, 0.1)}, 2, True, "density: 3 values"),
        ({"method": "ties", "density": 1.5}, 2, True, "density = 1.5, expected 0 to 1"),
        ({"method": "ties", "density": -0.1}, 2, True, "density = -0.1, expected 0 to 1"),
        ({"method": "ties"}, 2, False, "none is named"),
        ({"method": "linear"}, 2, True, "uses no base"),
        ({"method": "slerp"}, 3, False, "slerp takes two models, 3 are given"),
        ({"method": "slerp", "t": 2.0}, 2, False, "t = 2.0, expected 0 to 1"),
        ({"method": "linear", "weight": (1.0, -1.0)}, 2, False, "the sum is 0"),
        ({"method": "breadcrumbs", "density": 1.0}, 2, True, "together above 1"),
        ({"method": "dare_ties", "density": 0.0}, 2, True, "nothing would be left"),
        ({"method": "linear", "lambda_": 0.5}, 2, False, "no meaning in linear"),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit_are_named(asked, parents, based, words):
    with pytest.raises(UsageError, match=words):
        check_count(MergeSettings(**asked), [None] * parents, based=based)


def test_a_sweep_tries_each_combination_once():
    asked = SweepParams(methods=("linear", "ties"), densities=(0.5, 1.0), lambdas=(1.0, 0.5))
    tries = asked.tries(2)
    assert len(tries) == 3 + 3 * 2 * 2  # linear knows neither density nor lambda
    assert {t.weight for t in tries} == {(1.0, 0.0), (0.0, 1.0), (1.0, 1.0)}
    assert set(METHODS) >= {t.method for t in tries}
