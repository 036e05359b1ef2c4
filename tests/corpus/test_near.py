"""Buckets, clusters and who stays, on signatures made by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rumpun.corpus.link import near
from rumpun.corpus.link.near import Signatures, alike, components, settle
from rumpun.corpus.minhash import BINS, band_keys


def signed(groups, rng, differ=10):
    """Signatures in groups: each a copy of its group's with `differ` bins drawn anew."""
    bases = rng.integers(256, size=(max(groups) + 1, BINS), dtype=np.uint8)
    made = bases[groups]
    for row in made:
        where = rng.choice(BINS, size=differ, replace=False)
        row[where] = rng.integers(256, size=differ)
    return made


def pairs_of(found, threshold=0.6, bands=21):
    signatures = Signatures([found[: len(found) // 2], found[len(found) // 2 :]])
    every = set()
    for band in range(bands):
        keys = band_keys(found, band, 6)
        rows = np.argsort(keys, kind="stable")
        got = alike(keys[rows], rows, signatures, threshold)
        every |= {(min(p), max(p)) for p in zip(got.one.tolist(), got.other.tolist(), strict=True)}
    return every, signatures


def test_pairs_are_within_groups_and_nearly_all_are_found():
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(60), 4)
    every, _ = pairs_of(signed(groups, rng))
    assert all(groups[a] == groups[b] for a, b in every)
    assert len(every) > 0.98 * 60 * 6


def test_a_bucket_larger_than_all_pairs_is_peeled():
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(3), 100)
    found = signed(groups, rng)
    found[:, :6] = 7  # one band in which all of them meet
    signatures = Signatures([found])
    rows = np.arange(len(found))
    got = alike(band_keys(found, 0, 6), rows, signatures, 0.6)
    assert (groups[got.one] == groups[got.other]).all()
    assert len(got.one) == 297  # the first of each group with all of its others
    assert len(got.left) == 0


def test_a_bucket_without_likeness_ends_and_says_so(monkeypatch):
    monkeypatch.setattr(near, "PEELS", 5)
    rng = np.random.default_rng(3)
    found = rng.integers(256, size=(100, BINS), dtype=np.uint8)
    got = alike(np.zeros(100, np.uint64), np.arange(100), Signatures([found]), 0.6)
    assert len(got.one) == 0
    assert len(got.left) == 95


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 25), st.integers(0, 25)), max_size=40))
def test_components_are_those_of_a_plain_union_find(edges):
    parent = list(range(26))

    def root(n):
        while parent[n] != n:
            n = parent[n]
        return n

    for a, b in edges:
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    one, other = (np.array([e[i] for e in edges], dtype=np.int64) for i in (0, 1))
    rows, label = components(one, other)
    assert rows.tolist() == sorted({n for e in edges for n in e})
    assert label.tolist() == [root(n) for n in rows.tolist()]


@pytest.mark.parametrize("rounds", [0, 1, near.ROUNDS])
def test_one_stays_by_rank_and_nothing_goes_that_is_not_like_one_that_stays(monkeypatch, rounds):
    monkeypatch.setattr(near, "ROUNDS", rounds)
    rng = np.random.default_rng(4)
    chain = [rng.integers(256, size=BINS, dtype=np.uint8)]
    for n in range(6):  # each like the one before it, the first and the last not alike at all
        new = chain[-1].copy()
        new[n * 20 : (n + 1) * 20] = rng.integers(256, size=20)
        chain.append(new)
    signatures = Signatures([np.stack(chain)])
    one = np.arange(6)
    machine = np.array([1, 1, 1, 0, 1, 1, 1])
    found = settle(one, one + 1, (machine,), signatures, 0.75)
    stays = found.rows[found.first == found.rows].tolist()
    assert 3 in stays
    assert 1 < len(stays) < 7
    for cluster in set(found.cluster.tolist()):
        members = found.rows[found.cluster == cluster]
        assert members[0] == cluster
        assert len(members) > 1
        assert sum(row in stays for row in members.tolist()) == 1
    gone = found.first != found.rows
    close = signatures.similarity(found.rows[gone], found.first[gone])
    assert (close >= 0.75).all()
    assert (close == found.similarity[gone]).all()
    assert set(found.first[gone].tolist()) <= set(stays)
