"""Signatures agree with their definition done one by one, and estimate what they say they estimate."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from linked import SYLLABLES, arrays, changed, joined, letters_of, text, words

from rumpun.corpus import minhash
from rumpun.corpus.letters import LETTERS as LETTER_KIND
from rumpun.corpus.letters import SCRIPTS, kinds_table
from rumpun.corpus.minhash import (
    BINS,
    HAN,
    LETTERS,
    MIN_SHINGLES,
    band_keys,
    blocks,
    polynomial,
    signatures,
    similarity,
    sketch,
)

MASK = (1 << 64) - 1
HAN_KIND = LETTER_KIND + SCRIPTS.index("Hani")
REGION = "abcABCé .,\n1กาขิ่ကခိ်កខិ្ກາຂິதமிழ்中文字ABج"
some_text = st.text(alphabet=st.one_of(st.sampled_from(REGION), st.characters()), max_size=150)


def plain_splitmix(value):
    x = (value + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def plain_hash(run):
    total = 0
    for character in run:
        total = (total * 0x9E3779B97F4A7C15 + plain_splitmix(ord(character))) & MASK
    return total


def plain_shingles(whole):
    letters = letters_of(whole)
    kinds = kinds_table()
    found = []
    for at, character in enumerate(letters):
        length = HAN if kinds[ord(character)] == HAN_KIND else LETTERS
        if at + length <= len(letters):
            found.append(letters[at : at + length])
    return found


def plain_signature(shingles):
    """The format's text, step by step."""
    if len(shingles) < MIN_SHINGLES:
        return [0] * BINS
    hashes = [plain_hash(run) for run in set(shingles)]
    bins = [None] * BINS
    for number in range(BINS):
        seed = plain_splitmix(number) if number else 0
        reached = {}
        for value in hashes:
            x = ((value ^ seed) * 0x9FB21C651E98DF25) & MASK
            x ^= x >> 32
            x = (x * 0xD6E8FEB86659FD93) & MASK
            place = x >> 57
            reached[place] = min(x, reached.get(place, x))
        for place, x in reached.items():
            if bins[place] is None:
                bins[place] = x
        if None not in bins:
            break
    return [0 if x is None else (x >> 16) & 0xFF for x in bins]


@settings(max_examples=25, deadline=None)
@given(st.lists(some_text, max_size=4))
def test_signatures_are_what_the_format_says(texts):
    found, shingles = signatures(*arrays(texts))
    for n, whole in enumerate(texts):
        plain = plain_shingles(whole)
        assert found[n].tolist() == plain_signature(plain)
        assert shingles[n] == len(plain)


@given(st.lists(st.integers(0, 50), max_size=60), st.integers(1, 30))
def test_polynomials_of_any_length(values, length):
    mixed = np.array([plain_splitmix(v) for v in values], dtype=np.uint64)
    plain = [plain_hash([chr(v) for v in values[i : i + length]]) for i in range(len(values) - length + 1)]
    assert polynomial(mixed, length).tolist() == plain


@pytest.mark.parametrize("language", SYLLABLES)
def test_long_texts_in_pieces_have_the_same_signature(language, monkeypatch):
    rng = np.random.default_rng(3)
    texts = [text(language, n, rng) for n in (40, 3_000, 1, 900)] + ["", "7 . 7"]
    whole = signatures(*arrays(texts))
    monkeypatch.setattr(minhash, "_BLOCK", 64)
    monkeypatch.setattr(minhash.blocks, "__kwdefaults__", {"size": 64})
    pieces = signatures(*arrays(texts))
    assert (whole[0] == pieces[0]).all()
    assert (whole[1] == pieces[1]).all()


@given(st.lists(some_text, max_size=5), st.integers(1, 20), st.integers(0, 6), st.integers(0, 6))
def test_blocks_hold_every_letter_once_with_its_context(texts, size, before, after):
    codes, kinds, starts, ends = arrays(texts)
    seen = []
    for block in blocks(codes, kinds, starts, ends, before=before, after=after, size=size):
        owners = block.owners()
        seen += [(int(owners[n]), int(block.at[n])) for n in range(block.first, block.last)]
        if block.last - block.first < len(block.at):  # a piece: the neighbours of its own letters are there
            place = np.flatnonzero(kinds[: ends[block.text]] >= LETTER_KIND)
            place = place[place >= starts[block.text]]
            first = (
                int(np.searchsorted(place, block.at[block.first])) if block.first < len(block.at) else None
            )
            if first is not None and block.first < block.last:
                assert block.first == min(before, first)
                assert len(block.at) - block.last == min(
                    after, len(place) - first - (block.last - block.first)
                )
    every = [(n, p) for n in range(len(texts)) for p in range(starts[n], ends[n]) if kinds[p] >= LETTER_KIND]
    assert seen == every


@pytest.mark.parametrize("size", [16, 60, 300, 3_000])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.75, 0.9])
def test_the_estimate_is_unbiased_with_its_stated_error(size, share):
    rng = np.random.default_rng([size, int(100 * share)])
    pairs = 200
    same = round(2 * share * size / (1 + share))
    true = same / (2 * size - same)
    values = rng.integers(1 << 63, size=(pairs, 2 * size - same), dtype=np.uint64)
    owners = np.repeat(np.arange(pairs), size)
    one = sketch(values[:, :size].reshape(-1), owners, pairs)
    other = sketch(np.concatenate([values[:, :same], values[:, size:]], axis=1).reshape(-1), owners, pairs)
    agree = ((one == other).mean(axis=1) - 1 / 256) * 256 / 255
    error = np.sqrt(true * (1 - true) / BINS)
    assert abs(agree.mean() - true) < 4 * (error + 0.01) / np.sqrt(pairs)
    assert agree.std() < 1.2 * (error + 0.01)
    assert (similarity(one, one) == 1).all()


@pytest.mark.parametrize("language", SYLLABLES)
def test_five_of_250_words_changed_leave_a_near_duplicate_and_other_texts_none(language):
    rng = np.random.default_rng(5)
    base = [words(language, 250, rng) for _ in range(40)]
    near = [changed(language, found, 5, rng) for found in base]
    one, _ = signatures(*arrays([joined(language, found) for found in base]))
    other, _ = signatures(*arrays([joined(language, found) for found in near]))
    assert similarity(one, other).min() >= 0.7
    assert max(similarity(one, np.roll(other, n, axis=0)).max() for n in range(1, 40)) < 0.3


def test_spaces_digits_case_and_signs_do_not_count():
    rng = np.random.default_rng(6)
    whole = text("id", 80, rng)
    other = whole.upper().replace(" ", "  12 — ")
    found, _ = signatures(*arrays([whole, other, whole.replace(" ", "")]))
    assert (found[0] == found[1]).all()
    assert (found[0] == found[2]).all()


def test_equal_band_keys_are_equal_rows():
    rng = np.random.default_rng(7)
    found = rng.integers(3, size=(500, BINS), dtype=np.uint8)
    for band, rows in ((0, 2), (20, 6), (15, 8)):
        keys = band_keys(found, band, rows)
        part = [tuple(row) for row in found[:, band * rows : (band + 1) * rows].tolist()]
        assert len(set(zip(keys.tolist(), part, strict=True))) == len(set(keys.tolist())) == len(set(part))


def test_a_text_of_ten_million_letters_takes_little_memory():
    import tracemalloc

    rng = np.random.default_rng(8)
    codes = rng.integers(ord("a"), ord("z") + 1, size=10_000_000).astype(np.uint32)
    kinds = kinds_table()[codes]
    ends = np.array([len(codes)], dtype=np.int64)
    kinds_table()
    minhash.mixed(codes[:1])
    tracemalloc.start()
    _, shingles = signatures(codes, kinds, np.zeros(1, np.int64), ends)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert shingles[0] == len(codes) - LETTERS + 1
    assert peak < 40e6
