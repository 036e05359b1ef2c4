"""What is never kept of safety data, by its labels."""

import pytest

from rumpun.records.never_kept import never_kept


@pytest.mark.parametrize(
    "labels", [["Minors"], ["x", ["harm", "child_abuse"]], [None, "a-CSAM-b"], [{"kind": "underage"}]]
)
def test_a_label_that_names_children_is_found(labels: list[object]) -> None:
    assert never_kept(labels)


@pytest.mark.parametrize(
    "labels", [[], [None], ["minority rights", "childhood"], ["children's".replace("children", "adult")]]
)
def test_other_words_are_not(labels: list[object]) -> None:
    assert not never_kept(labels)
