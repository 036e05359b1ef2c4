"""How each public set is read: `public.toml`, loaded strictly."""

import dataclasses
import functools
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rumpun.errors import UsageError, nearest
from rumpun.recipes import build

__all__ = ["FAMILIES", "KEY", "VALUE", "Gold", "Public", "describe", "names", "tag_of"]

FAMILIES = (
    "reading", "knowledge", "causal", "nli", "sentiment", "aspect sentiment", "emotion", "topic", "qa", "culture",
    "grammar", "pragmatics", "coreference", "translation", "instructions", "answerable", "harmful",
)  # fmt: skip
KEY, VALUE = "each.key", "each.value"  # the columns that `each` adds to a row
_CHOSEN = ("index0", "index1", "letter", "text")  # kinds that name one of the options


@dataclass(frozen=True, slots=True, kw_only=True)
class Gold:
    """Where the right answer stands, and in what form."""

    kind: Literal["index0", "index1", "letter", "text", "pair", "label", "references", "none"]
    column: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Public:
    """How to read one set; columns are those of its file."""

    file: str  # in the data folder
    tests: str  # which family of tests it is, one of FAMILIES
    licence: str  # of rows that name none themselves
    languages: tuple[str, ...]  # those that the file is known to hold
    gold: Gold
    name: str = ""
    notes: str = ""
    fields: dict[str, str] = field(default_factory=dict)  # field of the prompt -> column
    options: tuple[str, ...] = ()  # columns, or one that holds "(1) … (2) …"
    labels: dict[str, str] = field(default_factory=dict)  # label in the file -> label here
    where: dict[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # column -> values of the rows that belong
    left_out: dict[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # column -> values not taken, and counted
    each: dict[str, str] = field(
        default_factory=dict
    )  # one row gives an item for each: what is named -> its column
    group: tuple[str, ...] = ()  # columns that translations of one item, or items of one text, have in common
    id: str = "id"
    language: str = "language"
    source_language: str = ""  # of a translation: a tag, or "language" for the item's own
    target_language: str = ""
    more: dict[str, str] = field(default_factory=dict)  # what a scorer needs -> column
    json: tuple[str, ...] = ()  # columns that hold JSON
    check_language: bool = True  # False where a set mixes languages on purpose

    @property
    def label_set(self) -> tuple[str, ...]:
        """The labels that an item may have, each once."""
        return tuple(dict.fromkeys(self.labels.values()))

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column of the file that is read, besides `licence` and `source`."""
        named = [self.id, self.language, self.gold.column, *self.fields.values(), *self.options]
        named += [*self.where, *self.left_out, *self.each.values(), *self.group, *self.more.values()]
        return tuple(dict.fromkeys(name for name in named if name not in ("", KEY, VALUE)))

    def check(self) -> None:
        """Refuse what cannot be meant."""
        if self.tests not in FAMILIES:
            raise ValueError(f"tests = '{self.tests}': {nearest(self.tests, FAMILIES)}")
        kind = self.gold.kind
        if bool(self.gold.column) is (kind in ("pair", "none")):
            raise ValueError(f"gold: a column and the kind '{kind}' do not go together")
        if kind in _CHOSEN and not self.options:
            raise ValueError(f"gold: the kind '{kind}' names an option, and there are none")
        if kind == "pair" and len(self.options) != 2:
            raise ValueError(f"gold: a pair has two options, not {len(self.options)}")
        if bool(self.labels) is not (kind == "label"):
            raise ValueError(f"labels belong to the kind 'label', and to no other (here: '{kind}')")
        if bool(self.source_language) is not bool(self.target_language):
            raise ValueError("a translation has a source_language and a target_language")
        if stray := set(self.json) - set(self.columns):
            raise ValueError(f"'{min(stray)}' is no column that is read")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    tags: dict[str, str]  # tag in the files -> tag here
    sets: dict[str, Public]


@functools.cache
def _table() -> _Table:
    path = Path(__file__).parent / "public.toml"
    return build(_Table, tomllib.loads(path.read_text(encoding="utf-8")), path.name)


def names() -> tuple[str, ...]:
    """Every set that can be loaded by name."""
    return tuple(_table().sets)


def describe(name: str) -> Public:
    """What is known of a set: file, licence, languages, what it tests.

    Raises:
        UsageError: no set has this name.
    """
    found = _table().sets.get(name)
    if found is None:
        raise UsageError(f"'{name}': no public set of that name", nearest(name, names()))
    return dataclasses.replace(found, name=name)


def tag_of(tag: str) -> str:
    """The tag used here for one that stands in a file: `zh` for `zh-Hans`."""
    return _table().tags.get(tag, tag)
