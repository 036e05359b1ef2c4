"""How each data set is read: `sets.toml`, loaded strictly."""

import functools
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from rumpun.guard.taxonomy import taxonomy
from rumpun.recipes import build

__all__ = ["LabelledSet", "Sets", "sets"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledSet:
    """How to read one set."""

    split: str  # what every row of it must say
    text: str  # the column of text
    column: str  # the column that says whether a row is safe
    unsafe: tuple[str, ...] = ()
    safe: tuple[str, ...] = ()
    safe_is_sensitive: bool = False  # its safe rows are on hard matters
    part: str = ""  # the column of the data set within the source
    answer: str = ""  # a column of safe answers
    weight: float = 1.0  # of its unsafe rows in the fit
    fit_because: str = ""  # why a set of split "test" may be fitted
    categories: dict[str, dict[str, str]] = field(default_factory=dict)  # column -> label -> category
    left_out: dict[str, tuple[str, ...]] = field(default_factory=dict)  # column -> labels of rows not taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Sets:
    """The whole table."""

    labels: tuple[str, ...]
    sets: dict[str, LabelledSet]
    words: dict[str, dict[str, tuple[str, ...]]] = field(
        default_factory=dict
    )  # set -> category -> words of a row

    def check(self) -> None:
        """Refuse what cannot be meant."""
        known = taxonomy().categories
        for source, one in self.sets.items():
            if one.split not in ("train", "test"):
                raise ValueError(f"{source}: split is '{one.split}', expected 'train' or 'test'")
            if both := set(one.safe) & set(one.unsafe):
                raise ValueError(f"{source}: '{min(both)}' is both safe and unsafe")
        if unread := self.words.keys() - self.sets.keys():
            raise ValueError(f"words.{min(unread)}: no set of that name")
        named = [(s, c) for s, one in self.sets.items() for m in one.categories.values() for c in m.values()]
        named += [(s, c) for s, words in self.words.items() for c in words]
        for source, category in named:
            if category not in known:
                raise ValueError(f"{source}: '{category}' is no category")

    def fitted(self, name: str) -> bool:
        """Whether rows of this set may be fitted."""
        one = self.sets[name]
        return one.split == "train" or bool(one.fit_because)


@functools.cache
def sets() -> Sets:
    """The table in `sets.toml`.

    Raises:
        UsageError: an unknown key, a category that is not in the taxonomy, or what cannot be meant.
    """
    path = Path(__file__).parent / "sets.toml"
    return build(Sets, tomllib.loads(path.read_text(encoding="utf-8")), path.name)
