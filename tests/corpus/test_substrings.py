"""Repeated runs are exactly those that comparing every window with every other finds."""

from collections import Counter

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from linked import arrays

from rumpun.corpus import minhash
from rumpun.corpus.link.substrings import anchors, document_counts, marks, repeated, windows

few_letters = st.text(alphabet="aabB ก中1", max_size=60)


def plain_marks(texts, length):
    """Every window of letters of every text, the naive way."""
    import unicodedata

    places = [[p for p, c in enumerate(t) if unicodedata.category(c)[0] in "LM"] for t in texts]
    holding = Counter()
    runs = []
    for text, place in zip(texts, places, strict=True):
        own = [
            "".join(text[p].casefold() for p in place[i : i + length]) for i in range(len(place) - length + 1)
        ]
        runs.append(own)
        holding.update(set(own))
    found = {}
    for n, (own, place) in enumerate(zip(runs, places, strict=True)):
        open_ = None
        for i, run in enumerate(own):
            if holding[run] < 2:
                continue
            start, end = place[i], place[i + length - 1] + 1
            if open_ is not None and start < open_["end"]:
                open_["end"], open_["documents"] = end, max(open_["documents"], holding[run])
            else:
                open_ = {"start": start, "end": end, "documents": holding[run]}
                found.setdefault(n, []).append(open_)
    return found


def our_marks(texts, length):
    if not texts:
        return {}
    where = arrays(texts)
    hashes, owner = anchors(*where, length)
    shared = repeated(np.stack(document_counts(hashes, owner)), 2)[0]
    found = windows(*where, letters=length, shared=shared)
    return marks(found, repeated(np.stack(document_counts(found.hashes, found.text)), 2))


@settings(max_examples=300, deadline=None)
@given(st.lists(few_letters, max_size=5), st.integers(4, 9))
@example(["a" * 30, "a" * 12, "b" * 30], 8)
def test_marks_are_those_of_comparing_every_window(texts, length):
    assert our_marks(texts, length) == plain_marks(texts, length)


@settings(max_examples=60, deadline=None)
@given(st.lists(few_letters, min_size=1, max_size=4), st.integers(4, 7), st.integers(5, 25))
def test_marks_do_not_depend_on_the_size_of_blocks(texts, length, size):
    whole = our_marks(texts, length)
    before = minhash.blocks.__kwdefaults__
    minhash.blocks.__kwdefaults__ = {"size": size}
    try:
        assert our_marks(texts, length) == whole
    finally:
        minhash.blocks.__kwdefaults__ = before


def test_anchors_are_few():
    rng = np.random.default_rng(1)
    text = "".join(chr(c) for c in rng.integers(ord("a"), ord("z") + 1, size=50_000))
    hashes, _ = anchors(*arrays([text]), 100)
    assert len(hashes) < 0.05 * len(text)  # 2 of every 52 positions
