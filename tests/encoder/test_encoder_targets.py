"""The teacher's vectors: made once, found again on disk, and drawn from as far as this run has asked."""

from pathlib import Path

import numpy as np
import torch
from toy_encoder import FIT, teacher

from rumpun.encoder.targets import Targets


class Counting:
    """A teacher that counts what it is asked."""

    def __init__(self) -> None:
        self.inner = teacher()
        self.model = self.inner.model
        self.asked: list[str] = []

    def vectors(self, texts, progress=None):
        self.asked += texts
        return self.inner.vectors(texts)


def test_a_vector_is_made_once_and_outlives_the_process(tmp_path: Path) -> None:
    first = Counting()
    made = Targets(first, FIT[:20], tmp_path / "targets")
    made.need([3, 5, 3])
    made.need([5, 7])
    assert first.asked == [FIT[3], FIT[5], FIT[7]]
    del made
    second = Counting()
    again = Targets(second, FIT[:20], tmp_path / "targets")
    again.need([7, 8])
    assert second.asked == [FIT[8]]
    found = again.vectors(torch.tensor([3, 8])).numpy()
    np.testing.assert_allclose(found, teacher().vectors([FIT[3], FIT[8]]), atol=1e-3)  # float16 on disk


def test_vectors_of_other_sentences_are_not_taken_for_these(tmp_path: Path) -> None:
    Targets(Counting(), FIT[:20], tmp_path / "targets").need([3])
    other = Counting()
    Targets(other, FIT[:21], tmp_path / "targets").need([3])
    assert other.asked == [FIT[3]]


def test_negatives_are_what_this_run_asked_for_and_never_the_right_answer(tmp_path: Path) -> None:
    Targets(Counting(), FIT[:20], tmp_path / "targets").need(
        range(20)
    )  # a run that was cut off had made them all
    targets = Targets(Counting(), FIT[:20], tmp_path / "targets")
    targets.need([1, 2, 3])
    drawn = targets.others(50, torch.tensor([2]), torch.Generator().manual_seed(0))
    mine = targets.vectors(torch.tensor([1, 3]))
    assert 20 < len(drawn) < 50
    assert ((drawn[:, None] - mine).abs().amax(2).amin(1) == 0).all()


def test_the_nearest_are_those_a_full_search_finds_less_what_says_the_same(tmp_path: Path) -> None:
    targets = Targets(Counting(), FIT[:30], tmp_path / "targets")
    targets.need(range(30))
    every = targets.vectors(torch.arange(30)).numpy()
    likeness = every @ every.T
    alike = float(np.quantile(likeness[~np.eye(30, dtype=bool)], 0.9))
    own = torch.tensor([4, 9])
    found = targets.near(own, 3, alike).numpy()
    wanted: set[int] = set()
    for place in own.tolist():
        order = [n for n in np.argsort(-likeness[place]) if likeness[place, n] <= alike]
        wanted |= set(order[:3])
    np.testing.assert_array_equal(found, every[sorted(wanted - set(own.tolist()))])
