"""Rows switched by script: both sides alike, each with its parent, nothing without words that were put in."""

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.guard.augment import switched
from rumpun.guard.rows import Row

KNOWN = ("garden", "small", "plan", "water")
LEXICON = {tag: {word: [f"{tag}{word}", f"{tag}x{word}"] for word in KNOWN} for tag in ("aa", "bb")}
WORDS = (*KNOWN, "zorkblip", "quuxwomp", "blorp", "don't")


def row(text, unsafe, n, **facts):
    whole = {
        "language": "en",
        "source": "made",
        "licence": "MIT",
        "use": "fit",
        "id": str(n),
        "categories": ("hate",),
    }
    return Row(text=text, unsafe=unsafe, **(whole | facts))


rows_of = st.lists(
    st.tuples(st.lists(st.sampled_from(WORDS), min_size=1, max_size=8).map(" ".join), st.booleans()),
    max_size=30,
).map(lambda found: [row(text, unsafe, n) for n, (text, unsafe) in enumerate(found)])


@given(rows=rows_of, each=st.integers(0, 6), seed=st.integers(0, 3))
def test_both_sides_are_equal_in_number_in_each_language(rows, each, seed):
    made = switched(rows, LEXICON, each, seed)
    count = Counter((one.language, one.unsafe) for one in made)
    for tag in LEXICON:
        assert count[tag, True] == count[tag, False] <= each
    parents = {f"made:{one.id}": one for one in rows}
    for one in made:
        parent = parents[one.parent]
        assert one.augmented
        assert not parent.augmented
        assert (one.unsafe, one.categories, one.id, one.use) == (
            parent.unsafe,
            parent.categories,
            parent.id,
            "fit",
        )
        before, after = parent.text.split(), one.text.split()
        changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
        assert changed
        assert all(b in LEXICON[one.language][a] for a, b in changed)
        assert sum(word in KNOWN for word in before) >= 0.25 * len(before)
    for tag in LEXICON:
        own = [one.parent for one in made if one.language == tag]
        assert len(set(own)) == len(own)
    assert made == switched(rows, LEXICON, each, seed)


def both(text, **facts):
    return [row(f"{text} {mark}", unsafe, f"{unsafe}{n}", **facts)
            for n, mark in enumerate(("blorp", "gnarp", "fweep")) for unsafe in (True, False)]  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (both("zorkblip quuxwomp gronk garden"), "a fifth of the words is known"),
        (both("small garden", language="ms"), "no English"),
        (both("small garden", role="answer"), "no prompts"),
        (both("small garden " * 40), "too long"),
        ([one for one in both("small garden") if one.unsafe], "no safe row to stand beside it"),
        ([], "nothing"),
    ],
)
def test_rows_that_are_passed_over(rows, why):
    assert switched(rows, LEXICON, 5, 1) == [], why


def test_case_and_signs_around_a_word_stay():
    made = switched(both("Small GARDEN, (plan)!"), LEXICON, 9, 1)
    whole = re.compile(
        r"(?:Small|(?:aa|bb)x?small) (?:GARDEN|(?:aa|bb)x?garden), \((?:plan|(?:aa|bb)x?plan)\)! \w+"
    )
    assert made
    assert all(whole.fullmatch(one.text) for one in made)


def test_another_seed_makes_other_rows():
    rows = both("small garden plan water small garden plan")
    assert {one.text for one in switched(rows, LEXICON, 9, 1)} != {
        one.text for one in switched(rows, LEXICON, 9, 2)
    }


def test_a_word_without_translations_is_not_known():
    assert switched(both("small garden"), {"aa": {"small": [], "garden": []}}, 5, 1) == []
