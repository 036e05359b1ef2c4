"""The step `corpus.filter`: documents, attributes, links -> decisions, one row for every document, and `thresholds.json`.

It reads attributes, never texts: a changed threshold decides anew and tags nothing. Parts are read one at a time, three times
over: for thresholds from each language's own documents, for the rules, and to write; what stays in memory between is about 50
bytes a document. The order of the rules is that of rules.toml.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rumpun.corpus.filter.edits import Edit, cut_lines, edits_type, masks, settled
from rumpun.corpus.filter.groups import NONE, representatives, settle_near
from rumpun.corpus.filter.params import FilterParams
from rumpun.corpus.filter.rules import GROUPED, Judge, Part, column, frequent
from rumpun.corpus.filter.thresholds import Samples, Threshold, derive, encoded
from rumpun.corpus.letters import Int
from rumpun.errors import InputError, UsageError, nearest
from rumpun.steps import Outcome, Work, step

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FilterParams", "decide", "decisions_schema"]

_DOCUMENTS = ("key", "language", "source", "licence", "domain")
_LINES = ("figures.line_ends", "figures.line_hashes")
_HEAVY = (*_LINES, "personal.spans")  # read only where edits are made
_LINKS = ("exact.first", "url.first", "near.cluster", "near.keep", "near.similarity", "lines.frequent")


def decisions_schema() -> "pa.Schema":
    """Columns of decisions, row for row with the documents."""
    import pyarrow as pa

    return pa.schema(
        [
            ("key", pa.uint64()),
            (
                "language",
                pa.string(),
            ),  # that the document counts under: declared, or else identified, or `und`
            ("kept", pa.bool_()),
            (
                "rule",
                pa.string(),
            ),  # the first that it failed, in the order of rules.toml; null where it is kept
            ("value", pa.float64()),  # of the rule's figure; null where the rule has none
            ("threshold", pa.float64()),  # null where the rule has none
            ("detail", pa.string()),  # "the same as key 17"; null where there is nothing to add
            ("failed", pa.list_(pa.string())),  # every rule that it failed
            (
                "edits",
                edits_type(),
            ),  # of the normalised text, sorted, apart; null where there are none or it is not kept
        ]
    )


@step(kind="decisions", version=1, part="corpus", needs=("documents", "attributes"))
def decide(params: FilterParams, work: Work) -> Outcome:
    """Keep or remove every document, for a reason.

    Raises:
        UsageError: a threshold for a rule that has none.
        InputError: attributes or links of other documents.
    """
    import pyarrow as pa

    run = _Run(params, work)
    thresholds = run.survey()
    run.judge(thresholds)
    run.duplicates()
    run.write(thresholds)
    run.check_trusted()
    about = {"least_documents": params.least_documents, "documents": len(run.failed)}
    (work.folder / "thresholds.json").write_bytes(encoded(thresholds, about))
    return Outcome(
        languages=tuple(sorted({tag for tag in run.tags if tag != "und"})),
        summary=run.summary(),
        tools={"pyarrow": pa.__version__, "numpy": np.__version__},
    )


@dataclass(slots=True)
class _Run:
    """One run under way. Arrays are over all documents by key, [D]."""

    params: FilterParams
    work: Work
    parts: list[tuple[Path, Path, Path | None]] = field(init=False)
    columns: list[str] = field(init=False)  # of attributes that rules look at
    rules: Judge = field(init=False)
    tags: list[str] = field(default_factory=list)  # languages met
    failed: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))
    value: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    characters: Int = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    stays: dict[str, Int] = field(default_factory=dict)  # rule of GROUPED -> the document that stays instead
    counts: dict[str, dict[str, Counter[str]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(Counter))
    )
    edits: Counter[str] = field(default_factory=Counter)
    done: int = 0

    def __post_init__(self) -> None:
        from rumpun.corpus.parts import part_paths

        attributes = self.work.input("attributes")
        inputs = {item.manifest.kind: item.folder for item in self.work.inputs}
        documents = part_paths(self.work.input("documents").folder)
        beside = part_paths(attributes.folder)
        links: Sequence[Path | None] = (
            part_paths(inputs["links"]) if "links" in inputs else [None] * len(documents)
        )
        if not len(documents) == len(beside) == len(links):
            raise InputError(
                f"{len(documents)} parts of documents, {len(beside)} of attributes, {len(links)} of links",
                "name steps in `needs` that were made from the same documents",
            )
        self.parts = list(zip(documents, beside, links, strict=True))
        answers = (
            attributes.manifest.summary.get("taggers", {})
            .get("language", {})
            .get("facts", {})
            .get("languages", [])
        )
        self.rules = Judge(self.params, answers)
        self.columns = _columns(beside[0], self.rules)

    def _each(self, note: str, more: Sequence[str] = ()) -> Iterator[Part]:
        """Every part in order, with the columns that rules look at and those named."""
        from rumpun.corpus.parts import read_part

        for documents, attributes, links in self.parts:
            names = [*self.columns, *more]
            part = Part(
                read_part(documents, _DOCUMENTS),
                read_part(attributes, names),
                read_part(links, _LINKS) if links is not None else None,
            )
            keys = [part.documents["key"], part.attributes["key"]]
            if not keys[0].equals(keys[1]) or (
                part.links is not None and part.links.num_rows != len(keys[0])
            ):
                raise InputError(
                    f"{attributes}: rows of other documents than {documents}",
                    "name steps in `needs` that were made from the same documents",
                )
            yield part
            self.done += 1
            self.work.progress(self.done, 3 * len(self.parts), note)

    def survey(self) -> dict[str, dict[str, Threshold]]:
        """The thresholds of every language that there is."""
        figures = [name for name in self.columns if name != "key" and not name.startswith(_HEAVY)]
        figures = [name for name in figures if name not in ("language.label", "language.script")]
        samples = Samples(figures)
        tags: set[str] = set()
        for part in self._each("thresholds from each language's documents"):
            here = np.array(self.rules.tags(part), dtype=object)
            tags |= set(here)
            trusted = self.rules.trusted(part)
            keys = part.documents["key"].to_numpy()
            values = np.zeros((len(keys), len(figures)), dtype=np.float32)
            for place, name in enumerate(figures):
                values[:, place] = column(part.attributes, name)
            for tag in sorted(set(here[trusted])):
                rows = trusted & (here == tag)
                samples.add(tag, keys[rows], values[rows])
        self.tags = sorted(tags)
        return derive(
            samples, self.tags, least_documents=self.params.least_documents, given=self.params.given()
        )

    def check_trusted(self) -> None:
        """Refuse a trusted source that no document has.

        Raises:
            UsageError: names the nearest that there is.
        """
        known = sorted({name for sources in self.counts.values() for name in sources})
        for tag, names in self.params.trusted.items():
            for name in names:
                if name not in known:
                    raise UsageError(f"trusted.{tag}: no source is called '{name}'", nearest(name, known))

    def judge(self, thresholds: Mapping[str, Mapping[str, Threshold]]) -> None:
        """Every rule that looks at one document alone."""
        lines = self._there(_LINES)
        found = [self.rules.judge(part, thresholds) for part in self._each("documents judged", lines)]
        self.failed = np.concatenate([item.failed for item in found])
        self.value = np.concatenate([item.value for item in found])
        self.characters = np.concatenate([item.characters for item in found])

    def _there(self, names: Sequence[str]) -> list[str]:
        """Those of the columns that the attributes have."""
        import pyarrow.parquet as pq

        have = set(pq.read_schema(self.parts[0][1]).names)
        return [name for name in names if name in have]

    def duplicates(self) -> None:
        """Who stays of each group of duplicates; later rules see only what earlier ones left."""
        from rumpun.corpus.parts import read_part

        if self.parts[0][2] is None:
            return
        names = ["exact.first", "url.first", "near.cluster", "near.keep"]
        tables = [read_part(path, names) for _, _, path in self.parts if path is not None]
        links = {name: np.concatenate([_keys(table, name) for table in tables]) for name in names[:3]}
        keep = np.concatenate([column(table, "near.keep") != 0 for table in tables])
        for rule in GROUPED:
            place = self.rules.places.get(rule)
            if place is None:
                continue
            alive = self.failed == 0
            if rule == "near.duplicate":
                stays = settle_near(links["near.cluster"], keep, self.characters, alive)
            else:
                stays = representatives(links[rule.replace(".duplicate", ".first")], alive)
            self.failed[stays != NONE] |= np.uint64(1 << place)
            self.stays[rule] = stays

    def write(self, thresholds: Mapping[str, Mapping[str, Threshold]]) -> None:
        """The decisions of every part."""
        import pyarrow as pa

        from rumpun.corpus.parts import write_part

        at = 0
        for number, part in enumerate(self._each("decisions written", self._there(_HEAVY))):
            rows = slice(at, at + part.documents.num_rows)
            at = rows.stop
            columns = self._reasons(part, rows, thresholds)
            kept = self.failed[rows] == 0
            columns |= {
                "key": part.documents["key"],
                "kept": kept,
                "edits": self._edits(part, kept),
            }
            schema = decisions_schema()
            arrays = [
                columns[name]
                if name == "key"
                else pa.array(columns[name], schema.field(name).type, from_pandas=True)
                for name in schema.names
            ]
            write_part(self.work.folder, number, pa.table(arrays, schema=schema))

    def _reasons(
        self, part: Part, rows: slice, thresholds: Mapping[str, Mapping[str, Threshold]]
    ) -> dict[str, Any]:
        tags, failed = self.rules.tags(part), self.failed[rows]
        every = {word: self._names(word) for word in np.unique(failed).tolist()}
        names = [every[word] for word in failed.tolist()]
        first = [found[0] if found else None for found in names]
        value, threshold = self.value[rows].copy(), np.full(len(tags), np.nan)
        details: list[str | None] = [None] * len(tags)
        similar = column(part.links, "near.similarity") if part.links is not None else None
        for row, (rule, tag, source) in enumerate(
            zip(first, tags, part.documents["source"].to_pylist(), strict=True)
        ):
            self.counts[tag][source][rule or "kept"] += 1
            if rule is None:
                continue
            limit = thresholds[tag].get("figures.characters" if rule == "lines.short" else rule)
            if limit is not None and limit.value is not None:
                threshold[row] = limit.value
            if rule in GROUPED:
                value[row] = similar[row] if rule == "near.duplicate" and similar is not None else np.nan
                details[row] = f"the same as key {int(self.stays[rule][rows.start + row])}"
        if part.has("language.label"):
            labels = part.attributes["language.label"].to_pylist()
            for row, rule in enumerate(first):
                if rule == "language.other":
                    details[row] = f"identified as {labels[row]}"
        return {
            "language": tags, "rule": first, "value": value, "threshold": threshold, "detail": details,
            "failed": [list(found) for found in names],
        }  # fmt: skip

    def _names(self, word: int) -> tuple[str, ...]:
        return tuple(rule.name for place, rule in enumerate(self.rules.rules) if word >> place & 1)

    def _edits(self, part: Part, kept: NDArray[np.bool_]) -> list[list[dict[str, Any]] | None]:
        """Cuts and masks of the documents that are kept."""
        import pyarrow as pa
        import pyarrow.compute as pc

        wanted: dict[int, list[Edit]] = defaultdict(list)
        if self.params.cut_frequent_lines:
            for row, ends, numbers in frequent(part):
                if kept[row]:
                    wanted[row] += cut_lines(ends, numbers)
        if self.params.personal == "mask" and part.has("personal.spans"):
            spans = part.attributes["personal.spans"]
            counts = pc.fill_null(pc.list_value_length(spans), 0).to_numpy(zero_copy_only=False)
            rows = np.flatnonzero((counts > 0) & kept)
            for row, found in zip(rows.tolist(), spans.take(pa.array(rows)).to_pylist(), strict=True):
                wanted[row] += masks(found, self.params.personal_least_score)
        made: list[list[dict[str, Any]] | None] = [None] * len(kept)
        for row, edits in wanted.items():
            final = settled(edits)
            self.edits.update(edit.rule for edit in final)
            made[row] = [edit.row() for edit in final] or None
        return made

    def summary(self) -> dict[str, Any]:
        """Counts: documents, kept, removed by rule, edits by rule; and language x source x rule."""
        total: Counter[str] = Counter()
        for sources in self.counts.values():
            for found in sources.values():
                total.update(found)
        kept = total.pop("kept", 0)
        return {
            "documents": len(self.failed),
            "kept": kept,
            "removed": dict(total.most_common()),
            "edits": dict(sorted(self.edits.items())),
            "rules_without_figures": self._blind(),
            "languages": {
                tag: {source: dict(found.most_common()) for source, found in sorted(sources.items())}
                for tag, sources in sorted(self.counts.items())
            },
        }

    def _blind(self) -> list[str]:
        """Rules that could not be asked, since no tagger or link gave what they look at."""
        found = [rule.name for rule in self.rules.rules if rule.column and rule.column not in self.columns]
        if self.parts[0][2] is None:
            found += [*GROUPED, "lines.short"]
        return found


def _columns(path: Path, judge: Judge) -> list[str]:
    """Those columns of attributes that some rule looks at."""
    import pyarrow.parquet as pq

    there = set(pq.read_schema(path).names)
    wanted = {rule.column for rule in judge.rules if rule.column}
    wanted |= {
        "figures.characters", "figures.lines", "figures.replacement", "figures.control", "language.label",
        "language.lines",
    }  # fmt: skip
    return ["key", *sorted(wanted & there)]


def _keys(table: "pa.Table", name: str) -> Int:
    """[N] a column of keys as int64, NONE for null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    filled = pc.fill_null(pc.cast(table[name], pa.int64()), NONE)
    found: Int = filled.to_numpy(zero_copy_only=False).astype(np.int64)
    return found
