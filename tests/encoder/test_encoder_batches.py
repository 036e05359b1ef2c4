"""What a step sees: the same batches for the same seed, shares that hold, and noise that keeps its text readable."""

import itertools
import multiprocessing
import random
import unicodedata
from collections import Counter
from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from toy_encoder import FIT, put

from rumpun.encoder.batches import Batch, Material, quotas, rounds
from rumpun.encoder.noise import Noise, slips
from rumpun.encoder.vocabulary import TOKENIZER
from rumpun.steps import Input

GROUPS = ("natural", "technical", "lexicon")
cells = st.dictionaries(
    st.sampled_from(["id", "th", "my", "en"]),
    st.dictionaries(st.sampled_from(GROUPS), st.integers(1, 3000).map(range), min_size=1),
    min_size=1,
)
shares = st.fixed_dictionaries({name: st.floats(0, 3) for name in ("id", "th", "my", "en")})
group_shares = st.fixed_dictionaries({name: st.floats(0, 1) for name in GROUPS})


@settings(max_examples=50)
@given(cells, shares, group_shares, st.integers(1, 5000), st.floats(0.5, 4))
def test_no_cell_is_repeated_too_often_and_no_language_has_more_than_its_share(
    held, languages, groups, rows, repeats
) -> None:
    found = quotas(held, languages, groups, rows, repeats)
    whole = sum(languages[name] for name in held)
    for (name, group), n in found.items():
        assert 0 <= n <= len(held[name][group]) * repeats + 0.5
    for name, mine in held.items():
        got = sum(n for (language, _), n in found.items() if language == name)
        wanted = rows * languages[name] / whole if whole else 0
        room = sum(len(places) * repeats for group, places in mine.items() if groups[group] > 0)
        assert got <= wanted + len(mine) / 2
        # what one group cannot bring, the others do, as far as they can
        assert got >= min(wanted, room) - 1 - len(mine) / 2


def test_shares_are_kept_where_there_are_rows_enough() -> None:
    held = {"id": {"natural": range(10_000), "lexicon": range(10_000)}, "en": {"natural": range(10_000)}}
    found = quotas(held, {"id": 3, "en": 1}, {"natural": 0.75, "lexicon": 0.25}, 4000, 3)
    assert found == {("id", "natural"): 2250, ("id", "lexicon"): 750, ("en", "natural"): 1000}


@pytest.fixture(scope="session")
def material(inputs: dict[str, Input]) -> Material:
    texts = [put(language, e) for language in ("id", "th") for e in FIT[:100]]
    languages = ["id"] * 100 + ["th"] * 100
    reader = Tokenizer.from_file(str(inputs["vocabulary"].folder / TOKENIZER))
    return Material(
        texts, languages, ["natural"] * 200, list(range(100)) * 2, reader, Noise(slips=0.3), longest=8
    )


def some_rounds(
    material: Material, n: int, seed: int = 3, first: int = 0, ahead: int = 0
) -> list[list[Batch]]:
    stream = rounds(
        material,
        {("id", "natural"): 250, ("th", "natural"): 40},
        tokens_a_batch=64,
        seed=seed,
        first=first,
        ahead=ahead,
    )
    with closing(stream):
        return [next(stream) for _ in range(n)]


def test_a_round_is_a_function_of_seed_and_number(material: Material) -> None:
    three = some_rounds(material, 3)
    assert some_rounds(material, 1, first=2) == three[2:]
    assert some_rounds(material, 1, seed=4) != three[:1]
    assert three[0] != three[1]


def test_rounds_made_ahead_by_other_processes_are_the_same_and_in_order(material: Material) -> None:
    before = {child.pid for child in multiprocessing.active_children()}
    assert some_rounds(material, 5, first=1, ahead=2) == some_rounds(material, 5, first=1)
    left = {child.pid for child in multiprocessing.active_children()}
    assert left <= before  # closed: none is left, however much they had been asked for


def test_loose_splits_are_other_splits_of_the_same_text(material: Material) -> None:
    """Of about the share of rows that was asked for; each says, piece by piece, what its row says."""
    clean = replace(material, noise=Noise(), longest=200)
    loose = replace(clean, loose=0.5)
    assert Tokenizer.from_str(material.tokenizer.to_str()).model.dropout is None  # the other one is a copy
    shortest, others = (
        [(target, tuple(ids)) for batches in some_rounds(one, 3) for batch in batches
         for ids, target in zip(batch.ids, batch.targets, strict=True)]
        for one in (clean, loose)
    )  # fmt: skip
    usual = set(shortest)
    share = sum(row not in usual for row in others) / len(others)
    assert 0.1 < share < 0.55
    said = {(target, clean.tokenizer.decode(list(ids)).replace(" ", "")) for target, ids in usual}
    assert {(target, clean.tokenizer.decode(list(ids)).replace(" ", "")) for target, ids in others} <= said


def test_a_round_holds_its_quotas_and_its_bounds(material: Material) -> None:
    for batches in some_rounds(material, 2):
        assert sum(len(batch.ids) for batch in batches) == 290
        for batch in batches:
            assert len(batch.ids) == len(batch.targets)
            assert len(batch.ids) * max(map(len, batch.ids)) <= 64
            assert max(map(len, batch.ids)) <= 8
            assert all(
                (ids[0], ids[-1]) == (2, 3) for ids in batch.ids
            )  # a text that was cut ends in [SEP] too
        # 250 of 100 rows of id: each twice or three times, and 40 different ones of th
        counts = Counter(target for batch in batches for target in batch.targets)
        assert min(counts.values()) >= 2
        assert max(counts.values()) <= 4


@given(st.text(max_size=60), st.integers())
def test_slips_change_letters_alone_and_few_of_them(text: str, seed: int) -> None:
    found = slips(text, random.Random(seed))
    most = max(1, len(text) // 20)
    assert abs(len(found) - len(text)) <= most
    assert Counter(c for c in found if not c.isalpha()) == Counter(c for c in text if not c.isalpha())
    assert bool(found) == bool(text)


def test_slips_do_change_something_and_leave_marks_on_their_letters() -> None:
    text = "น้ำที่นี่ใสมากและเย็น"
    found = {slips(text, random.Random(seed)) for seed in range(40)}
    assert len(found) > 10
    for one in found:
        assert not any(
            unicodedata.combining(b) and unicodedata.category(a)[0] not in "LM"
            for a, b in itertools.pairwise(one)
        )


def test_what_is_typed_in_latin_letters_keeps_nothing_of_its_script() -> None:
    noise = Noise(latin=1)
    for language, text in (("th", "น้ำที่นี่ใสมาก"), ("km", "ទឹកថ្លាណាស់"), ("my", "ရေကြည်တယ်"), ("vi", "nước trong")):
        assert noise.apply(text, language, random.Random(0)).isascii()
    assert noise.apply("水很清", "zh", random.Random(0)) == "水很清"
    assert Noise().apply("น้ำ", "th", random.Random(0)) == "น้ำ"


def test_english_alone_is_mixed_and_keeps_its_other_words() -> None:
    noise = Noise(latin=1, slips=1, mixing=1, lexicon={"id": {"river": ["sungai"], "boat": ["perahu"]}})
    found = {noise.apply("The River has no boat.", "en", random.Random(n)) for n in range(30)}
    assert found <= {f"The {a} has no {b}." for a in ("River", "sungai") for b in ("boat", "perahu")}
    assert len(found) > 1
    assert noise.apply("tiếng Việt", "vi", random.Random(0)) == "tieng Viet"
    assert Noise().apply("tiếng Việt", "vi", random.Random(0)) == "tiếng Việt"
    assert Noise(mixing=1).apply("river", "en", random.Random(0)) == "river"
