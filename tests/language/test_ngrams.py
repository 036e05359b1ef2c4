"""Hashed n-grams against a plain-Python copy of the documented hash."""

import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rumpun.errors import InputError, UsageError
from rumpun.language.heads import Heads, quantised, read_heads, write_heads
from rumpun.language.ngrams import fold, hashed

MASK = (1 << 64) - 1


def bucket(gram, buckets):
    state = 14695981039346656037
    for sign in gram:
        state = ((state ^ ord(sign)) * 1099511628211) & MASK
    state = ((state ^ (state >> 33)) * 0xFF51AFD7ED558CCD) & MASK
    return (state ^ (state >> 33)) & (buckets - 1)


def plain(text, buckets, lengths):
    folded = " " + " ".join(text.lower().split()) + " "
    grams = [folded[n : n + size] for size in lengths for n in range(len(folded) - size + 1)]
    return Counter(bucket(gram, buckets) for gram in grams)


@settings(deadline=None)
@given(st.lists(st.text(max_size=30), max_size=5), st.sampled_from([(1,), (1, 2, 3, 4, 5), (3, 6)]))
def test_the_counts_are_those_of_the_documented_hash(texts, lengths):
    counts = hashed(texts, buckets=1 << 12, lengths=lengths)
    assert counts.rows == len(texts)
    for row, text in enumerate(texts):
        start, end = counts.indptr[row], counts.indptr[row + 1]
        found = dict(zip(counts.indices[start:end].tolist(), counts.values[start:end].tolist(), strict=True))
        assert found == plain(text, 1 << 12, lengths)
        assert counts.indices[start:end].tolist() == sorted(found)


@given(st.text(max_size=40))
def test_case_and_spacing_change_nothing(text):
    assert fold(text) == fold(f"\n {text}\t ")
    assert fold("Selamat  PAGI") == " selamat pagi "


def test_the_product_is_that_of_the_full_matrix():
    counts = hashed(["satu dua", "", "สาม"], buckets=64, lengths=(1, 2)).normalised()
    full = np.zeros((3, 64), np.float32)
    for row in range(3):
        part = slice(counts.indptr[row], counts.indptr[row + 1])
        full[row, counts.indices[part]] = counts.values[part]
    weights = np.random.default_rng(3).normal(size=(64, 4)).astype(np.float32)
    assert np.allclose(counts.dot(weights), full @ weights, atol=1e-6)
    assert np.allclose(np.linalg.norm(full, axis=1), 1)


@pytest.mark.parametrize(
    ("buckets", "lengths"),
    [(0, (1,)), (1000, (1,)), (1 << 25, (1,)), (64, ()), (64, (2, 1)), (64, (0,)), (64, (9,))],
)
def test_what_is_out_of_range_is_refused(buckets, lengths):
    with pytest.raises(UsageError):
        hashed(["a"], buckets=buckets, lengths=lengths)


def test_two_megabytes_take_about_a_second():
    texts = ["Selamat pagi semuanya, hari ini kita memasak nasi goreng dan sambal. " * 8] * 1800
    size = sum(len(text.encode()) for text in texts)
    start = time.process_time()
    hashed(texts, buckets=1 << 16, lengths=(1, 2, 3, 4, 5))
    assert size / 1e6 / (time.process_time() - start) > 1


def heads():
    weights = np.random.default_rng(5).normal(size=(256, 2)).astype(np.float32)
    small, scale = quantised(weights)
    return Heads(("a", "b"), (1, 2), small, scale, np.zeros(2, np.float32), {"note": "x"}), weights


def test_heads_come_back_as_they_were_written(tmp_path):
    made, weights = heads()
    write_heads(tmp_path, "h", made)
    back = read_heads(tmp_path, "h")
    assert back.labels == made.labels
    assert back.facts == {"note": "x"}
    assert np.abs(back.weights * back.scale - weights).max() <= back.scale.max() / 2 + 1e-6
    assert np.array_equal(back.logits(["satu"]), made.logits(["satu"]))


def test_damaged_heads_are_named(tmp_path):
    write_heads(tmp_path, "h", heads()[0])
    data = (tmp_path / "h.safetensors").read_bytes()
    about = (tmp_path / "h.json").read_text()
    for damage in (data[:-9], data[:50] + b"\x01" + data[51:], b""):
        (tmp_path / "h.safetensors").write_bytes(damage)
        with pytest.raises(InputError, match="sha256"):
            read_heads(tmp_path, "h")
    (tmp_path / "h.safetensors").write_bytes(data)
    for wrong, says in (
        (about.replace('"schema": 1', '"schema": 9'), "schema 9, expected 1"),
        (about.replace('"labels"', '"label"'), "not a description"),
        (about.replace('"b"', '"b","c"'), "for 3 labels"),
        ("{", "not a description"),
    ):
        (tmp_path / "h.json").write_text(wrong)
        with pytest.raises(InputError, match=says):
            read_heads(tmp_path, "h")
    (tmp_path / "h.safetensors").unlink()
    (tmp_path / "h.json").write_text(about)
    with pytest.raises(InputError, match="cannot be read"):
        read_heads(tmp_path, "h")
