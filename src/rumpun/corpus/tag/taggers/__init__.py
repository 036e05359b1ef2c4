"""Taggers: figures for every document, beside the text; a tagger never decides.

The port is `Tagger`; the table names who implements it. A tagger is a frozen dataclass whose fields are its options in a
recipe, numbers, text or booleans, so that a worker process makes its own from the name and the options. Order matters twice:
`normalise` changes the texts that all later ones see, and `language` says what an undeclared text is judged as.
"""

import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from rumpun.errors import UsageError, nearest
from rumpun.recipes import build

if TYPE_CHECKING:
    import pyarrow as pa

    from rumpun.corpus.tag.batch import Batch

__all__ = ["ORDER", "TABLE", "Tagger", "make", "ordered"]

# name -> "module:Class", in the order in which they run; resolved when a tagger is made
TABLE: Mapping[str, str] = {
    "normalise": "rumpun.corpus.tag.taggers.normalise:Normalise",
    "language": "rumpun.corpus.tag.taggers.language:LanguageTagger",
    "figures": "rumpun.corpus.tag.taggers.figures:Figures",
    "minhash": "rumpun.corpus.tag.taggers.minhash:MinHashTagger",
    "quality": "rumpun.corpus.tag.taggers.quality:Quality",
    "personal": "rumpun.corpus.tag.taggers.personal:Personal",
    "toxicity": "rumpun.corpus.tag.taggers.toxicity:Toxicity",
    "decontaminate": "rumpun.corpus.tag.taggers.decontaminate:Decontaminate",
}
ORDER = tuple(TABLE)


class Tagger(Protocol):
    """What gives figures for texts."""

    @property
    def name(self) -> str:
        """As in the table."""
        ...

    @property
    def version(self) -> int:
        """Raised whenever its figures change for some text."""
        ...

    @property
    def columns(self) -> "pa.Schema":
        """What it adds; the name of each column begins with the tagger's and a dot."""
        ...

    def facts(self) -> dict[str, Any]:
        """What bears on its figures beside version and options: hashes of models, tables and lists."""
        ...

    def tag(self, batch: "Batch") -> "dict[str, pa.Array]":
        """One array of N values for each of the columns."""
        ...


def make(name: str, options: Mapping[str, Any] | None = None) -> Tagger:
    """The tagger of this name with these options.

    Raises:
        UsageError: no tagger has the name, or it has no such option.
        MissingPartError: what it needs is not installed.
    """
    target = TABLE.get(name)
    if target is None:
        raise UsageError(f"no tagger is called '{name}'", nearest(name, list(TABLE)))
    module, _, found = target.partition(":")
    tagger: Tagger = build(getattr(importlib.import_module(module), found), options or {}, f"taggers.{name}")
    return tagger


def ordered(names: Sequence[str]) -> list[str]:
    """The names in the order in which they run.

    Raises:
        UsageError: one is unknown or named twice.
    """
    for name in names:
        if name not in TABLE:
            raise UsageError(f"no tagger is called '{name}'", nearest(name, list(TABLE)))
        if list(names).count(name) > 1:
            raise UsageError(f"the tagger '{name}' is named twice", "name it once")
    return sorted(names, key=ORDER.index)
