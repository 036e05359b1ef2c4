"""The map back to the original: what holds for any steps, and what `rewrite` notes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.language.offsets import Offsets, rewrite

LETTERS = "abcd"
REWRITES = st.lists(
    st.tuples(st.text(LETTERS, min_size=1, max_size=3), st.text(LETTERS, max_size=4)), max_size=4
)


def run(text, rewrites):
    """The text after all rewrites, its map, and the same map kept code point by code point."""
    offsets = Offsets(len(text))
    plain = [(n, n + 1) for n in range(len(text))]
    for old, new in rewrites:
        after, edits = rewrite(text, re.compile(old), lambda _, new=new: new)
        offsets = offsets.then(Offsets(len(text), [edits]))
        moved, at = [], 0
        for start, end, length in edits:
            moved += plain[at:start]
            moved += [(plain[start][0], plain[end - 1][1])] * length
            at = end
        plain = moved + plain[at:]
        text = after
    return text, offsets, plain


@given(st.text(LETTERS, max_size=20), REWRITES)
def test_steps_compose_to_what_moving_each_code_point_gives(text, rewrites):
    after, offsets, plain = run(text, rewrites)
    assert offsets.length == len(after)
    assert offsets.spans() == plain
    starts, ends = [span[0] for span in plain], [span[1] for span in plain]
    assert starts == sorted(starts)
    assert ends == sorted(ends)
    assert all(start < end for start, end in plain)


@given(st.text(LETTERS, max_size=20), REWRITES, st.data())
def test_a_span_covers_its_code_points_and_an_empty_one_is_empty(text, rewrites, data):
    after, offsets, plain = run(text, rewrites)
    end = data.draw(st.integers(0, len(after)))
    start = data.draw(st.integers(0, end))
    first, last = offsets.original(start, end)
    if start == end:
        assert first == last == (plain[start][0] if start < len(plain) else len(text))
    else:
        assert (first, last) == (plain[start][0], plain[end - 1][1])
    with pytest.raises(ValueError, match="does not lie"):
        offsets.original(0, len(after) + 1)


@given(st.text(LETTERS, max_size=20), st.text(LETTERS, min_size=1, max_size=3), st.text(LETTERS, max_size=4))
def test_the_edits_give_the_text(text, old, new):
    after, edits = rewrite(text, re.compile(old), lambda _: new)
    assert after == re.sub(old, new, text)
    assert (after is text) == (not edits)
    pieces, at, made = [], 0, 0
    for start, end, length in edits:
        pieces.append(text[at:start])
        made += start - at
        pieces.append(after[made : made + length])
        made += length
        at = end
        assert start < end
    assert "".join([*pieces, text[at:]]) == after


def test_what_stays_the_same_at_the_ends_is_no_part_of_an_edit():
    assert rewrite("xabcy", re.compile("abc"), lambda _: "aBc") == ("xaBcy", [(2, 3, 1)])
    assert rewrite("xabcy", re.compile("abc"), lambda _: "abbc") == ("xabbcy", [(3, 4, 2)])


def test_an_edit_of_nothing_is_refused():
    with pytest.raises(ValueError, match="replaces nothing"):
        Offsets(3, [[(1, 1, 2)]])


def test_nothing_done_is_the_identity():
    offsets = Offsets(4)
    assert offsets.identity
    assert offsets.original(1, 3) == (1, 3)
    assert offsets.spans() == [(0, 1), (1, 2), (2, 3), (3, 4)]
