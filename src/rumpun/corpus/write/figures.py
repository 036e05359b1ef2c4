"""What a written corpus says of itself: counts as it is written, then `figures.json` and the manifest's summary.

Every document that was read is counted once, by language, source, licence, class and outcome: "train", "heldout", or the
rule that removed it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rumpun.corpus.chat.write import Chat
from rumpun.corpus.read.inventory import machine_translated
from rumpun.records.artefacts import Manifest, SourceEntry
from rumpun.records.licences import terms

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Counts", "entries", "summary"]

_PLACES = ("train", "heldout")
_NOT_REVIEWED = "seed rows and the requests to translate were written by a language model and not reviewed by native speakers"
_KEYS = ("language", "source", "licence", "domain", "outcome")


@dataclass(slots=True)
class Counts:
    """Documents and bytes as they gather."""

    documents: Counter[tuple[str, ...]] = field(default_factory=Counter)  # _KEYS -> documents
    bytes: Counter[tuple[str, ...]] = field(
        default_factory=Counter
    )  # of the text as it is written, or as it was dropped
    seen: Counter[tuple[str, ...]] = field(default_factory=Counter)  # bytes of training text with repetitions
    hosts: Counter[tuple[str, str]] = field(
        default_factory=Counter
    )  # (source, host) -> bytes of training text
    contributors: dict[str, set[str]] = field(default_factory=dict)  # source -> those who are named
    edits: Counter[str] = field(default_factory=Counter)  # rule -> edits applied
    rejected: Counter[tuple[str, ...]] = field(
        default_factory=Counter
    )  # (language, source, licence, rule) -> rows never read

    def add(self, table: "pa.Table") -> None:
        """Count rows that have the columns _KEYS, bytes and times."""
        import pyarrow.compute as pc

        table = table.append_column("seen", pc.multiply(table["bytes"], table["times"].cast("int64")))
        sums = table.group_by(list(_KEYS)).aggregate([("bytes", "count"), ("bytes", "sum"), ("seen", "sum")])
        for row in sums.to_pylist():
            key = tuple(str(row[name] or "") for name in _KEYS)
            self.documents[key] += row["bytes_count"]
            self.bytes[key] += row["bytes_sum"]
            if row["outcome"] == "train":
                self.seen[key] += row["seen_sum"]

    def credit(self, table: "pa.Table") -> None:
        """Hosts and contributors of rows that train: source, url, contributor, bytes."""
        import pyarrow.compute as pc

        found = pc.extract_regex(table["url"], r"^https?://(?:[^/?#@]*@)?(?P<host>[^/:?#]+)")
        hosts = pc.struct_field(found, "host")
        named = table.append_column("host", hosts).filter(pc.is_valid(hosts))
        for row in named.group_by(["source", "host"]).aggregate([("bytes", "sum")]).to_pylist():
            self.hosts[row["source"], row["host"].lower()] += row["bytes_sum"]
        people = table.filter(pc.not_equal(pc.fill_null(table["contributor"], ""), ""))
        for row in people.group_by(["source", "contributor"]).aggregate([]).to_pylist():
            self.contributors.setdefault(row["source"], set()).add(row["contributor"])

    def rows(self) -> list[dict[str, Any]]:
        """The counts as rows, sorted."""
        return [
            dict(zip(_KEYS, key, strict=True))
            | {"documents": count, "bytes": self.bytes[key], "bytes_seen": self.seen[key]}
            for key, count in sorted(self.documents.items())
        ]

    def total(self, outcome: str) -> int:
        """Documents with this outcome."""
        return sum(count for key, count in self.documents.items() if key[-1] == outcome)

    def dropped(self, language: str | None = None) -> dict[str, int]:
        """Rule -> documents, of one language or of all, with rows that could not be read."""
        found: Counter[str] = Counter()
        for key, count in self.documents.items():
            if key[-1] not in _PLACES and language in (None, key[0]):
                found[key[-1]] += count
        for (tag, *_, rule), count in self.rejected.items():
            if language in (None, tag):
                found[rule] += count
        return dict(sorted(found.items()))

    def by_source(self, language: str, outcome: str) -> dict[str, dict[str, int]]:
        """Source -> documents and bytes."""
        found: dict[str, dict[str, int]] = {}
        for key, count in sorted(self.documents.items()):
            if key[0] == language and key[-1] == outcome:
                sums = found.setdefault(key[1], {"documents": 0, "bytes": 0})
                sums["documents"] += count
                sums["bytes"] += self.bytes[key]
        return found


def _sum(places: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    return {name: sum(part[name] for part in places.values()) for name in ("documents", "bytes")}


def summary(
    counts: Counts,
    languages: Sequence[str],
    held_out_by: Mapping[str, str],
    chat: Chat,
    *,
    left_out: Sequence[Mapping[str, Any]],
    packed: Mapping[str, Any],
) -> dict[str, Any]:
    """Figures for cards and for whoever stands on the corpus.

    `rows`: read == train + held_out + the sum of dropped; `chat` likewise. Bytes are of UTF-8 text.
    """
    train = {tag: counts.by_source(tag, "train") for tag in languages}
    held = {tag: counts.by_source(tag, "heldout") for tag in languages}
    dropped = counts.dropped()
    rows = {"train": counts.total("train"), "held_out": counts.total("heldout"), "dropped": dropped}
    read = sum(counts.documents.values()) + sum(counts.rejected.values())
    model_written = bool(chat.train) or any(
        name.startswith("seed-") for places in train.values() for name in places
    )
    return {
        "rows": {"read": read, **rows},
        "languages": {
            tag: {
                "train": _sum(train[tag]),
                "held_out": _sum(held[tag]) | {"by": held_out_by.get(tag, "")},
                "chat_rows": chat.by_language[tag],
                "machine_translated_bytes": sum(
                    part["bytes"] for name, part in train[tag].items() if machine_translated(name)
                ),
                "dropped": counts.dropped(tag),
            }
            for tag in languages
        },
        "sources": train,
        "held_out_sources": held,
        "chat": {
            "read": chat.read,
            "train": chat.train,
            "held_out": chat.held_out,
            "dropped": dict(sorted(chat.dropped.items())),
        },
        "edits": dict(sorted(counts.edits.items())),
        "packed": dict(packed),
        "left_out": [dict(row) for row in left_out],
        "not_reviewed": _NOT_REVIEWED if model_written else "",
    }


def entries(counts: Counts, documents: Manifest, chat: Chat) -> tuple[SourceEntry, ...]:
    """One entry for each source and use; those of which nothing was taken have no rows."""
    known = {entry.name: entry for entry in documents.sources}
    taken: dict[tuple[str, str], tuple[int, int, set[str]]] = {}
    for key, count in counts.documents.items():
        _, source, licence, _, outcome = key
        if outcome in _PLACES:
            role = "text" if outcome == "train" else "held-out"
            rows, size, licences = taken.get((source, role), (0, 0, set()))
            taken[source, role] = (rows + count, size + counts.bytes[key], licences | {licence})
    found = []
    for (name, role), (rows, size, licences) in sorted(taken.items()):
        before = known.get(name)
        found.append(
            SourceEntry(
                name=name,
                licence=_licence(licences),
                url=before.url if before else "",
                commit=before.commit if before else "",
                rows=rows,
                bytes=size,
                sha256=before.sha256 if before else "",
                role=role,
            )
        )
    unused = [
        SourceEntry(name=e.name, licence=e.licence, url=e.url, commit=e.commit, sha256=e.sha256, role=e.role)
        for e in documents.sources
        if e.role == "text" and (e.name, "text") not in taken
    ]
    return (*found, *unused, *chat.sources)


def _licence(licences: set[str]) -> str:
    """One expression for a source's rows; of alternatives the one that obliges least is taken where others join it."""
    if len(licences) == 1:
        return next(iter(licences))
    return " AND ".join(dict.fromkeys(terms(licence).name for licence in sorted(licences)))
