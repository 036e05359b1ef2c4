"""Rows of safety data that are never kept, for training or for measuring: those whose labels name children or minors."""

import re
from collections.abc import Iterable

__all__ = ["NEVER_KEPT", "never_kept"]

NEVER_KEPT = "label names children or minors"  # the reason, where such a row is counted
_WORDS = frozenset((
    "child", "children", "minor", "minors", "cse", "csam", "csae", "underage", "pedophilia", "paedophilia",
))  # fmt: skip


def never_kept(labels: Iterable[object]) -> bool:
    """Whether a label of a row holds one of the words, in whichever case."""
    return any(not _WORDS.isdisjoint(re.findall(r"[a-z]+", str(label).lower())) for label in labels)
