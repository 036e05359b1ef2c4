"""What every card is made of: an artefact's manifest and its figures.json, asked in the words of the cards."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rumpun.corpus.mix.params import source_class
from rumpun.corpus.read.inventory import machine_translated
from rumpun.errors import InputError
from rumpun.language.tables import WORKING, languages
from rumpun.records.artefacts import Manifest
from rumpun.records.licences import terms

__all__ = ["FATES", "Facts", "fate", "language_name", "read_facts"]

# what became of a document, in the few groups that a picture can show: "test" is text of benchmarks, "left over" what no
# budget had room for or what overlaps held-out text
FATES = (
    "trains", "held out", "duplicate", "form or quality", "other language", "personal, toxic, test",
    "left over", "unreadable, licence, withdrawn",
)  # fmt: skip
_STAGES = {
    "train": 0, "heldout": 1, "exact": 2, "url": 2, "near": 2, "substrings": 2, "figures": 3, "quality": 3, "lines": 3,
    "repeats": 3, "normalise": 3, "language": 4, "personal": 5, "toxicity": 5, "decontaminate": 5, "mixture": 6, "read": 7,
    "licence": 7, "withdrawn": 7,
}  # fmt: skip
_UNSTATED = "not stated"


def fate(outcome: str) -> str:
    """The group of an outcome: of "train", "heldout" or a rule."""
    if outcome.startswith("heldout."):
        return FATES[6]
    return FATES[_STAGES.get(outcome.split(".", maxsplit=1)[0], 3)]


def language_name(tag: str) -> str:
    """A language's English name, or its tag where no table has it."""
    found = languages().get(tag)
    return found.english if found else tag


@dataclass(frozen=True, slots=True)
class Facts:
    """A corpus as its cards see it."""

    folder: Path
    manifest: Manifest
    figures: Mapping[str, Any]

    @property
    def card(self) -> Mapping[str, Any]:
        """What its makers say of it."""
        found: Mapping[str, Any] = self.manifest.maker.params.get("card", {})
        return found

    def said(self, name: str) -> str:
        """One thing that its makers say, or "not stated"."""
        return str(self.card.get(name) or _UNSTATED)

    @property
    def title(self) -> str:
        """The corpus's title."""
        return str(self.card.get("title") or self.manifest.name or "corpus")

    @property
    def counts(self) -> list[dict[str, Any]]:
        """Rows of language, source, licence, domain, outcome, documents, bytes and bytes_seen."""
        rows: list[dict[str, Any]] = self.figures["counts"]
        return rows

    def tags(self) -> list[str]:
        """The working languages, those of the corpus, and those met: never one fewer for having no data."""
        met = {row["language"] for row in self.counts if row["language"]}
        rest = [tag for tag in sorted({*met, *self.manifest.languages}) if tag not in WORKING]
        return [*WORKING, *rest]

    def source_class(self, source: str, domain: str) -> str:
        """The class of a source, as the mixture sees it."""
        named = self.figures.get("source_classes", {}).get(source)
        return str(named or source_class(self.figures.get("kinds", {}).get(source, ""), domain))

    def sums(self, *names: str, outcome: str = "", of: str = "bytes") -> dict[tuple[str, ...], int]:
        """Sums of documents or bytes by columns ("class" and "fate" too), of one outcome or of all."""
        found: Counter[tuple[str, ...]] = Counter()
        for row in self.counts:
            if outcome and row["outcome"] != outcome:
                continue
            found[tuple(self._value(row, name) for name in names)] += row[of]
        return dict(sorted(found.items()))

    def _value(self, row: Mapping[str, Any], name: str) -> str:
        if name == "class":
            return self.source_class(row["source"], row["domain"])
        if name == "fate":
            return fate(row["outcome"])
        return str(row[name])

    def total(self, outcome: str, of: str = "documents") -> int:
        """All documents or bytes of one outcome."""
        return sum(int(row[of]) for row in self.counts if row["outcome"] == outcome)

    @property
    def rejected(self) -> int:
        """Rows that could not be read."""
        return sum(int(row["rows"]) for row in self.figures.get("rejected", []))

    @property
    def read(self) -> int:
        """Rows that were met in all."""
        return sum(int(row["documents"]) for row in self.counts) + self.rejected

    def machine_bytes(self) -> int:
        """Bytes of training text that say by their source's name that they are machine translation."""
        return sum(
            size
            for (source,), size in self.sums("source", outcome="train").items()
            if machine_translated(source)
        )

    def licences(self) -> list[str]:
        """Licences of what trains or is held out, and of chat rows."""
        found = {row["licence"] for row in self.counts if row["outcome"] in ("train", "heldout")}
        found |= {
            entry.licence for entry in self.manifest.sources if entry.role.startswith("chat") and entry.rows
        }
        return sorted(found)

    def files(self, *folders: str) -> list[Path]:
        """Parquet and JSON Lines files of the corpus under these folders, in order."""
        found = [path for name in folders for path in sorted((self.folder / name).glob("*.parquet"))]
        chat = [self.folder / name for name in ("chat.jsonl", "heldout/chat.jsonl")]
        return found + [path for path in chat if path.is_file() and path.stat().st_size]

    def duties(self, licence: str) -> str:
        """What a licence asks in one word: "share alike", "attribution", "notice" or "nothing"."""
        asked = terms(licence).oblige
        for duty, word in (
            ("share-alike", "share alike"),
            ("attribution", "attribution"),
            ("keep-notice", "notice"),
        ):
            if duty in asked:
                return word
        return "nothing" if not asked else "other"


def read_facts(folder: Path, manifest: Manifest) -> Facts:
    """The facts of a corpus's folder.

    Raises:
        InputError: it has no figures.json.
    """
    path = folder / "figures.json"
    try:
        figures = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: no figures there ({error}); cards are made of what corpus.write counts",
            "build the corpus with a recipe that ends in corpus.write",
        ) from error
    return Facts(folder, manifest, figures)
