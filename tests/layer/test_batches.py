"""What a training step sees depends on the seed and the step alone, and no token is lost, repeated or padded."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.layer.batches import Batches, make_plan, shares
from rumpun.layer.params import TrainParams
from rumpun.layer.source import CHAT, Shard, Source, join


def source(name: str, lengths: list[int], *, bytes_: int = 100, chat: bool = False, first: int = 0) -> Source:
    total, each = sum(lengths), np.array(lengths)
    tokens = np.arange(first, first + total, dtype=np.uint32)
    learn = np.arange(total) % 2 == 0 if chat else None
    once, sizes = np.ones_like(each), np.zeros_like(each)
    sizes[0] = bytes_
    return join(name, [Shard(tokens, learn, np.cumsum(each) - each, each, once, sizes)])


def params(**given_: object) -> TrainParams:
    made = TrainParams(**({"tokens": 64, "sequence_tokens": 8, "batch_sequences": 4} | given_))  # type: ignore[arg-type]
    made.check()
    return made


@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=20),
    width=st.integers(8, 20),
    seed=st.integers(0, 1000),
)
def test_one_pass_shows_every_token_once(lengths: list[int], width: int, seed: int) -> None:
    text = source("th", lengths)
    needed = -(-sum(lengths) // width)
    p = params(sequence_tokens=width, batch_sequences=1, tokens=needed * width, epochs_max=1000.0)
    batches = Batches([text], make_plan([text], p), p, seed)
    seen = np.concatenate([batches.batch(step)[0].ravel() for step in range(needed)])
    assert sorted(seen[: sum(lengths)].tolist()) == list(range(sum(lengths)))


@given(seed=st.integers(0, 50), step=st.integers(0, 5))
def test_a_batch_does_not_depend_on_what_was_asked_before(seed: int, step: int) -> None:
    sources = [
        source("id", [5, 9, 30]),
        source("my", [7, 20], first=500),
        source(CHAT, [6, 4, 9, 3], chat=True, first=900),
    ]
    p = params(tokens=8 * 4 * 6, chat_share=0.3, epochs_max=50.0)
    plan = make_plan(sources, p)
    fresh, used = Batches(sources, plan, p, seed), Batches(sources, plan, p, seed)
    for earlier in range(plan.steps):
        used.batch(earlier)
    for ours, theirs in zip(fresh.batch(step), used.batch(step), strict=True):
        assert np.array_equal(ours, theirs)


@given(
    documents=st.lists(st.tuples(st.integers(1, 9), st.integers(0, 3)), min_size=1, max_size=12),
    cuts=st.sets(st.integers(1, 11), max_size=3),
)
def test_documents_of_several_files_stand_as_often_as_asked_in_rounds(
    documents: list[tuple[int, int]], cuts: set[int]
) -> None:
    made, at = [], 0
    for low, high in itertools.pairwise(
        [0, *sorted(cut for cut in cuts if cut < len(documents)), len(documents)]
    ):
        lengths, times = np.array(documents[low:high]).T
        tokens = np.arange(at, at + lengths.sum(), dtype=np.uint16)
        made.append(Shard(tokens, None, np.cumsum(lengths) - lengths, lengths, times, 3 * lengths))
        at += int(lengths.sum())
    found = join("km", made)
    starts = np.cumsum([0, *(length for length, _ in documents)])
    expected = [
        list(range(starts[n], starts[n + 1]))
        for turn in range(3)
        for n, (_, times) in enumerate(documents)
        if times > turn
    ]
    assert [found.read(n, 0, int(length)).tolist() for n, length in enumerate(found.lengths)] == expected
    assert found.tokens == sum(len(row) for row in expected)
    assert found.bytes == 3 * found.tokens


def test_documents_stay_whole_in_their_order_inside() -> None:
    text = source("id", [10, 10, 10])
    p = params(sequence_tokens=10, batch_sequences=1, tokens=30)
    batches = Batches([text], make_plan([text], p), p, 4)
    rows = [batches.batch(step)[0][0] for step in range(3)]
    assert all(np.array_equal(np.diff(row), np.ones(9)) for row in rows)


def test_targets_are_the_next_tokens() -> None:
    text = source("id", [100])
    p = params(tokens=32)
    tokens, targets, which = Batches([text], make_plan([text], p), p, 0).batch(0)
    assert np.array_equal(targets[:, :-1], tokens[:, 1:])
    assert (targets[:, -1] == -1).all()
    assert which.tolist() == [0, 0, 0, 0]


def test_conversations_are_whole_and_learnt_where_marked() -> None:
    chat = source(CHAT, [5, 3, 6, 2], chat=True)
    p = params(sequence_tokens=8, batch_sequences=1, tokens=16, chat_share=1.0, epochs_max=10.0)
    batches = Batches([chat], make_plan([chat], p), p, 1)
    seen: Counter[int] = Counter()
    for step in range(2):
        tokens, targets, _ = batches.batch(step)
        for place, target in enumerate(targets[0]):
            if target >= 0:
                assert target == tokens[0, place + 1]
                assert target % 2 == 0
                seen[int(target)] += 1
    assert max(seen.values()) == 1


def test_languages_share_by_the_root_of_their_bytes() -> None:
    found = shares([source("id", [9], bytes_=400), source("my", [9], bytes_=100)], params())
    assert found == pytest.approx({"id": 2 / 3, "my": 1 / 3})
    given_ = shares([source("id", [9]), source("my", [9])], params(language_weights={"my": 3.0, "id": 1.0}))
    assert given_ == pytest.approx({"my": 0.75, "id": 0.25})


def test_no_source_passes_its_cap_and_others_take_over() -> None:
    small, large = source("lo", [16], bytes_=16), source("th", [4000], bytes_=16)
    plan = make_plan([small, large], params(tokens=8 * 4 * 10, epochs_max=2.0))
    assert plan.counts == {"lo": 4, "th": 36}
    assert plan.steps == 10


def test_too_little_text_makes_fewer_steps_and_says_so() -> None:
    plan = make_plan([source("lo", [100])], params(tokens=10_000, epochs_max=1.0))
    assert (plan.steps, plan.counts["lo"], plan.asked) == (3, 12, 1248)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"targets": ("q_prj",)}, "q_prj"),
        ({"rank": 0}, "rank = 0"),
        ({"embeddings_rank": 64}, "embeddings_rank = 64"),
        ({"tokens": 8}, "at least one batch"),
        ({"chat_share": 1.5}, "chat_share = 1.5"),
        ({"learning_rate": 0.0}, "learning_rate = 0.0"),
        ({"language_weights": {"th": -1.0}}, "below zero"),
    ],
)
def test_values_that_cannot_be_trained_with_are_named(change: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        params(**change)
