"""What a mixture may never do, whatever the sizes: go below zero, above a cap, or jump."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rumpun.corpus.mix import mixture
from rumpun.corpus.mix.mixture import Caps, Leaf, fill, language_weights, multipliers, spread, targets
from rumpun.corpus.mix.params import MixParams, classes, source_class
from rumpun.corpus.mix.pick import pick
from rumpun.corpus.mix.table import buckets, quantiles
from rumpun.errors import UsageError
from rumpun.recipes import build

sizes = st.dictionaries(st.sampled_from([f"x{n}" for n in range(9)]), st.integers(0, 10**9), min_size=1)
reals = st.just(0.0) | st.floats(1e-6, 1e6)
NAMES = st.sampled_from(["a", "b", "c-mt"])
CLASSES, DOMAINS, BUCKETS = (
    st.sampled_from(["web", "curated"]),
    st.sampled_from(["law", "news"]),
    st.sampled_from(["head", "middle", "tail", "all"]),
)


@st.composite
def leaf_lists(draw, least=0, most=10**6):
    keys = draw(st.lists(st.tuples(CLASSES, NAMES, DOMAINS, BUCKETS), min_size=1, max_size=14, unique=True))
    return [
        Leaf(
            language="id", source_class=c, source=f"{c}-{s}", domain=d, bucket=b, machine=s.endswith("-mt"),
            size=draw(st.integers(least, most)),
        )
        for c, s, d, b in keys
    ]  # fmt: skip


@given(st.lists(st.tuples(reals, reals), min_size=1, max_size=12), st.floats(0, 1e7))
def test_shares_are_within_their_caps_and_take_the_budget_or_all_there_is(pairs, budget):
    weights, caps = (np.array(column) for column in zip(*pairs, strict=True))
    shares = fill(weights, caps, budget)
    assert (shares >= 0).all()
    assert (shares <= caps * (1 + 1e-12)).all()
    most = caps[weights > 0].sum()
    assert shares.sum() == pytest.approx(min(budget, most), rel=1e-9, abs=1e-6)


@given(
    st.lists(st.tuples(st.floats(0.1, 1e3), st.floats(1, 1e6)), min_size=2, max_size=12), st.floats(1, 1e6)
)
def test_whoever_is_below_the_cap_has_a_share_in_proportion_to_the_weight(pairs, budget):
    weights, caps = (np.array(column) for column in zip(*pairs, strict=True))
    shares = fill(weights, caps, budget)
    level = (shares / weights).max()
    below = shares < caps * (1 - 1e-9)
    assert shares[below] / weights[below] == pytest.approx(np.full(below.sum(), level), rel=1e-6)


def unimax(counts: dict[str, int], budget: float, epochs: float) -> dict[str, float]:
    """Chung et al. 2023, algorithm 1, as written: the smallest first, each an equal part of what is left."""
    left, found = budget, {}
    for place, tag in enumerate(sorted(counts, key=lambda t: counts[t])):
        share = left / (len(counts) - place)
        found[tag] = min(share, epochs * counts[tag])
        left -= found[tag]
    return found


@given(sizes, st.floats(1, 1e10), st.floats(0.5, 8))
def test_unimax_is_the_paper_s(table, budget, epochs):
    weights = language_weights(table, "unimax")
    caps = np.array([epochs * table[tag] for tag in table])
    shares = fill(np.array([weights[tag] for tag in table]), caps, budget)
    slow = unimax(table, budget, epochs)
    assert dict(zip(table, shares, strict=True)) == pytest.approx(slow, rel=1e-6, abs=1e-3)


@given(sizes, st.floats(0, 1))
def test_language_weights_sum_to_one_and_temperature_ends_at_natural_and_equal(table, exponent):
    assume(any(table.values()))
    natural = language_weights(table, "natural")
    for found in (natural, language_weights(table, "temperature", exponent=exponent)):
        assert sum(found.values()) == pytest.approx(1)
        assert all((w > 0) == (table[tag] > 0) for tag, w in found.items())
    assert language_weights(table, "temperature", exponent=1.0) == pytest.approx(natural)
    assert language_weights(table, "temperature", exponent=0.0) == pytest.approx(
        language_weights(table, "unimax")
    )


def test_ratios_are_taken_as_given_and_a_language_not_named_gets_nothing():
    found = language_weights(
        {"id": 10, "th": 1, "my": 5, "lo": 0}, "ratios", ratios={"id": 1, "th": 3, "lo": 9}
    )
    assert found == {"id": 0.25, "th": 0.75, "my": 0.0, "lo": 0.0}


@given(leaf_lists(), st.floats(0, 3e6), st.floats(0.5, 4), st.floats(0, 2))
def test_no_leaf_source_domain_or_machine_translation_has_more_than_its_share(
    leaves, budget, epochs, strength
):
    caps = Caps(
        epochs=epochs, source_share=0.5, domain_share=lambda d: 0.4 if d == "law" else 1.0, machine_share=0.15
    )
    given_ = spread(leaves, budget, caps, strength=strength)
    limits = np.array([leaf.size * epochs for leaf in leaves])
    assert (given_ >= 0).all()
    assert (given_ <= limits * (1 + 1e-9) + 1e-6).all()
    assert given_.sum() <= budget * (1 + 1e-9) + 1e-6

    def of(test):
        return sum(share for leaf, share in zip(leaves, given_, strict=True) if test(leaf))

    assert of(lambda leaf: leaf.machine) <= 0.15 * budget * (1 + 1e-9) + 1e-6
    assert of(lambda leaf: leaf.domain == "law") <= 0.4 * budget * (1 + 1e-9) + 1e-6
    for source in {leaf.source for leaf in leaves}:
        assert of(lambda leaf, source=source: leaf.source == source) <= 0.5 * budget * (1 + 1e-9) + 1e-6


@given(leaf_lists(), st.floats(0, 3e6), st.floats(0, 2))
def test_without_shares_the_budget_is_met_or_everything_is_taken(leaves, budget, strength):
    total = sum(leaf.size for leaf in leaves)
    found = spread(leaves, budget, Caps(epochs=2.0), strength=strength)
    assert found.sum() == pytest.approx(min(budget, 2.0 * total), rel=1e-9, abs=1e-6)


@given(leaf_lists(least=1_000), st.floats(1e3, 3e6), st.data())
def test_a_small_change_of_a_size_changes_every_share_little(leaves, budget, data):
    from dataclasses import replace

    caps = Caps(epochs=1.5, source_share=0.5, machine_share=0.15)
    place = data.draw(st.integers(0, len(leaves) - 1))
    changed = [*leaves]
    changed[place] = replace(leaves[place], size=leaves[place].size + leaves[place].size // 1000)
    before, after = (spread(of, budget, caps, strength=1.0) for of in (leaves, changed))
    assert np.abs(after - before).max() <= 0.02 * min(budget, 1.5 * sum(leaf.size for leaf in leaves)) + 1e-6


def test_where_the_old_cascade_jumps_by_half_the_head_s_share_goes_on_evenly():
    """SEA-LION's rule adds min(T/H - 1, 1) where T > H, else T/(2H): from half to nothing as T passes H."""

    def shares(head, tail):
        leaves = [
            Leaf(language="id", source_class="web", source="s", domain="d", bucket=b, machine=False, size=n)
            for b, n in (("head", head), ("middle", 1000), ("tail", tail))
        ]
        return spread(leaves, 500.0, Caps(), strength=0.5) / 500

    below, above = shares(1000, 999), shares(1000, 1001)
    assert np.abs(below - above).max() < 0.001
    assert (above > 0).all()
    assert above[0] > above[1] > above[2]
    assert above[0] / above[2] == pytest.approx(1000 / 1001 * math.e)


@given(st.floats(0, 5))
def test_quality_multiplies_and_never_takes_below_zero(strength):
    found = multipliers(strength)
    assert found["head"] >= found["middle"] >= found["tail"] > 0
    assert found["all"] == 1


def test_class_ratios_hold_until_a_class_runs_out_and_the_rest_keep_their_natural_parts():
    def leaf(kind, source, size):
        return Leaf(
            language="id",
            source_class=kind,
            source=source,
            domain="d",
            bucket="all",
            machine=False,
            size=size,
        )

    leaves = [leaf("web", "w", 9000), leaf("curated", "c", 900), leaf("seed", "s", 100)]
    found = spread(leaves, 1000.0, Caps(), class_ratios={"web": 0.5})
    assert found == pytest.approx([500, 450, 50])
    assert spread(leaves, 4000.0, Caps(), class_ratios={"web": 0.5}) == pytest.approx([3000, 900, 100])
    equal = [leaf("web", "w", 900), leaf("web", "v", 100), leaf("web", "u", 10)]
    assert spread(equal, 300.0, Caps(), source_exponent=0.0) == pytest.approx([190, 100, 10])


def test_a_class_ratio_holds_within_the_share_of_machine_translation_too():
    def leaf(kind, source, size):
        machine = source.endswith("-mt")
        return Leaf(
            language="id",
            source_class=kind,
            source=source,
            domain="d",
            bucket="all",
            machine=machine,
            size=size,
        )

    leaves = [
        leaf("web", "a-mt", 9000),
        leaf("curated", "b-mt", 9000),
        leaf("web", "w", 9000),
        leaf("curated", "c", 9000),
    ]
    ratios = {"curated": 0.8, "web": 0.2}
    found = spread(leaves, 1000.0, Caps(machine_share=0.1), class_ratios=ratios)
    assert found == pytest.approx([20, 80, 180, 720])


def one(tag, size, source="s", machine=False):
    return Leaf(
        language=tag, source_class="web", source=source, domain="d", bucket="all", machine=machine, size=size
    )


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=6), st.floats(0, 4e6), st.floats(0.5, 3))
def test_what_one_language_cannot_take_goes_to_the_others(counts, budget, epochs):
    leaves = {
        f"x{n}": [one(f"x{n}", size, "a"), one(f"x{n}", size // 3, "b-mt", machine=True)]
        for n, size in enumerate(counts)
    }
    weights = language_weights({tag: sum(leaf.size for leaf in of) for tag, of in leaves.items()}, "unimax")
    caps = Caps(epochs=epochs, machine_share=0.2)
    found = targets(leaves, weights, budget, {}, lambda _: caps, lambda _, of, b, c: spread(of, b, c))
    total = sum(shares.sum() for shares in found.values())
    most = targets(leaves, weights, math.inf, {}, lambda _: caps, lambda _, of, b, c: spread(of, b, c))
    whole = sum(shares.sum() for shares in most.values())
    assert total <= budget * (1 + 1e-9) + 1e-6
    assert total == pytest.approx(min(budget, whole), rel=1e-6, abs=1e-3)


@given(st.lists(st.integers(1, 500), min_size=1, max_size=40), st.floats(0, 30_000), st.integers(0, 2**32))
def test_a_leaf_meets_its_target_within_one_document(lengths, target, seed):
    counts = np.array(lengths, dtype=np.int64)
    order = np.random.default_rng(seed).integers(0, 2**63, len(counts)).astype(np.uint64)
    times = pick(counts, order, target)
    taken = int((counts * times).sum())
    assert taken <= target + 1e-2
    passed = counts[times == times.min()]
    assert times.max() - times.min() <= 1
    assert taken == int(counts.sum()) * int(times.max()) or target + 1 - taken > 0
    if times.max() > times.min():
        assert target - taken < passed.min() + 1
    else:
        assert target - taken < counts.min() + 1
    shuffled = np.random.default_rng(seed + 1).permutation(len(counts))
    if len(set(order.tolist())) == len(order):
        assert (pick(counts[shuffled], order[shuffled], target) == times[shuffled]).all()


@given(
    st.lists(st.tuples(st.floats(0, 1, width=32), st.integers(1, 1000)), min_size=1, max_size=60), st.data()
)
def test_buckets_follow_the_scores_and_hold_about_their_share_of_bytes(pairs, data):
    scores = np.array([score for score, _ in pairs], dtype=np.float32)
    lengths = np.array([length for _, length in pairs], dtype=np.int64)
    cut = quantiles(scores, lengths, 0.25, 0.25)
    named = np.array(mixture.BUCKETS)[buckets(scores, *cut)]
    rank = {"tail": 0, "middle": 1, "head": 2}
    order = [rank[name] for name in named[np.argsort(scores, kind="stable")]]
    assert order == sorted(order)
    if len(set(scores.tolist())) == len(scores):
        largest = lengths.max() / lengths.sum()
        for name in ("head", "tail"):
            assert lengths[named == name].sum() / lengths.sum() <= 0.25 + largest + 1e-9
    assert mixture.BUCKETS[buckets(np.array([np.nan], dtype=np.float32), *cut)[0]] == "all"


def test_every_domain_of_the_inventories_has_a_class():
    assert source_class("seed", "news") == "seed"
    assert source_class("text", "encyclopedia") == "curated"
    assert source_class("side", "software-ui") == "parallel"
    assert source_class("text", "unheard-of") == "other"
    assert {"web", "curated", "teaching", "software", "seed", "parallel", "other"} == set(classes())


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"languages": ["idn"]}, "language 'idn' is unknown"),
        ({"weights": "ratios"}, "no language_ratios"),
        ({"language_ratios": {"id": 1.0}}, 'weights must be "ratios"'),
        ({"unit": "tokens"}, "needs a tokenizer"),
        ({"max_share_machine_translated": 1.5}, "expected a share from 0 to 1"),
        ({"class_ratios": {"*": {"web": 0.7, "curated": 0.6}}}, "the sum of class_ratios"),
        ({"class_ratios": {"*": {"wbe": 0.7}}}, "source class 'wbe' is unknown"),
        ({"source_classes": {"a": "boook"}}, "source class 'boook' is unknown"),
        ({"head_share": 0.6, "tail_share": 0.6}, r"head_share \+ tail_share"),
        ({"epochs": -1.0}, "expected 0 or more"),
    ],
)
def test_a_wrong_parameter_is_named(params, said):
    with pytest.raises(UsageError, match=said):
        build(MixParams, params, "recipe")
