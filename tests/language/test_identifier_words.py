"""Words and hashed features of a batch against a plain-Python copy of what the module says of itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.language.identifier_words import GRAMS, KINDS, MOST_LETTERS, grams, join, pairs, words, words_of

MASK = (1 << 64) - 1
P = 0x2545F4914F6CDD1D
EDGE = "\x01"


def mixed(value):
    value = ((value ^ (value >> 33)) * 0xFF51AFD7ED558CCD) & MASK
    return value ^ (value >> 33)


def state(signs):
    return (
        sum(mixed(ord(c) * 0x9E3779B97F4A7C15 & MASK) * pow(P, n, 1 << 64) for n, c in enumerate(signs))
        & MASK
    )


def feature(signs, kind):
    return mixed((state(signs) + (KINDS.index(kind) + 1) * 0xD6E8FEB86659FD93) & MASK)


LATIN = "abcdefghijklmnopqrstuvwxyzéđươạ"
word = st.text(alphabet=LATIN, min_size=1, max_size=12).filter(
    lambda w: not any(a == b == c for a, b, c in zip(w, w[1:], w[2:], strict=False))
)


@given(st.lists(word, min_size=1, max_size=6))
def test_the_features_are_those_of_the_documented_hash(spelt):
    found = words(join([" ".join(spelt)]))
    assert found.key.tolist() == [state(w) for w in spelt]
    which = np.arange(len(spelt))
    seen = {}
    for some in grams(found, which):
        ends = np.cumsum(some.counts)
        for n, end in enumerate(ends.tolist()):
            seen[n, some.kind] = sorted(some.hashes[end - some.counts[n] : end].tolist())
    for n, w in enumerate(spelt):
        marked = EDGE + w + EDGE
        for size in GRAMS:
            expected = [marked[i : i + size] for i in range(len(marked) - size + 1)]
            expected = [gram for gram in expected if gram != EDGE]
            assert seen.get((n, size), []) == sorted(feature(gram, size) for gram in expected)
        assert seen[n, "word"] == [feature(w, "word")]


def test_a_pair_depends_on_both_words_and_their_order():
    keys = words_of(["apa", "kabar", "baik"]).key
    hashes = [int(pairs(keys[[a]], keys[[b]])[0]) for a in range(3) for b in range(3)]
    assert len(set(hashes)) == 9


@given(st.lists(st.text(max_size=30), max_size=6))
def test_words_lie_in_their_texts_and_begin_with_a_letter(texts):
    found = words(join(texts))
    for row, start, length in zip(
        found.row.tolist(), found.start.tolist(), found.length.tolist(), strict=True
    ):
        assert 0 <= start < len(texts[row])
        assert 1 <= length <= MOST_LETTERS
        assert texts[row][start] not in " \n'"
    assert not found.follows[:1].any()


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("BANGET", "banget"),
        ("bangeeeet", "bangeet"),
        ("don’t", "don't"),
        ("'kata'", "kata"),
        ("İstanbul", "istanbul"),
    ],
)
def test_what_is_written_otherwise_is_one_word(one, two):
    assert words_of([one]).key.tolist() == words_of([two]).key.tolist()


def test_links_addresses_and_names_are_no_words_unless_nothing_else_is_there():
    joined = join(["lihat https://example.org/abc ya @budi", "tulis ke a@example.org", "@budi"])
    assert np.bincount(words(joined).row).tolist() == [2, 2, 1]


def test_a_long_word_counts_by_its_beginning():
    long = "abcdefgh" * 40
    assert words_of([long]).key.tolist() == words_of([long[:MOST_LETTERS]]).key.tolist()
