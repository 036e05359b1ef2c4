"""Every document as numbers: what a mixture chooses by. D documents, about 60 bytes each in memory."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from rumpun.corpus.mix.mixture import Leaf
from rumpun.corpus.mix.params import MixParams, source_class
from rumpun.corpus.order import order_key
from rumpun.corpus.parts import each_part, read_part, write_part
from rumpun.corpus.read.inventory import machine_translated
from rumpun.corpus.texts import Part, final_array, final_texts, has_column
from rumpun.records.licences import shippable
from rumpun.steps import Progress, quiet

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["GONE", "HELD", "LICENCE", "RULES", "TRAIN", "Names", "Table", "load"]

# what becomes of a document; RULES[state] is the rule that drops it
GONE, TRAIN, HELD, OVERLAP, UNMEASURED, LICENCE, LANGUAGE, BUDGET = range(8)
RULES = (
    "", "", "", "heldout.overlap", "heldout.unmeasured", "licence.terms", "mixture.language", "mixture.budget",
)  # fmt: skip
_SCORE = "quality.score"
_LIGHT = 8  # parts measured take no longer than a worker process takes to start
_SAMPLE_DOCUMENTS, _SAMPLE_CHARACTERS = 32, 2_000  # of each language and source, for tokens a byte


class Names:
    """Strings numbered in the order in which they are met."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self._number: dict[str, int] = {}

    def numbers(self, column: "pa.ChunkedArray") -> NDArray[np.int32]:
        """The number of each value of a column of strings; null counts as empty."""
        import pyarrow.compute as pc

        coded = pc.fill_null(column, "").combine_chunks().dictionary_encode()
        table = np.array([self._put(name) for name in coded.dictionary.to_pylist()], dtype=np.int32)
        indices = coded.indices.to_numpy(zero_copy_only=False)
        return table[indices] if len(table) else np.zeros(0, dtype=np.int32)

    def _put(self, name: str) -> int:
        if name not in self._number:
            self._number[name] = len(self.all)
            self.all.append(name)
        return self._number[name]


@dataclass(slots=True)
class Table:
    """The columns, [D] each, and the names that their numbers stand for."""

    parts: Sequence[Part]
    starts: list[int]  # each part's first document; and D
    language: NDArray[np.int32]
    source: NDArray[np.int32]
    domain: NDArray[np.int32]
    licence: NDArray[np.int32]
    size: NDArray[np.int64]  # bytes of the final text; 0 where it was removed before
    weight: NDArray[np.int64]  # the same in the mixture's unit
    order: NDArray[np.uint64]  # seeded, from the source and the id
    score: NDArray[np.float32]  # NaN: not scored
    state: NDArray[np.uint8]
    languages: Names = field(default_factory=Names)
    sources: Names = field(default_factory=Names)
    domains: Names = field(default_factory=Names)
    licences: Names = field(default_factory=Names)
    rates: dict[str, float] = field(default_factory=dict)  # "language source" -> tokens a byte

    @classmethod
    def empty(cls, parts: Sequence[Part], starts: list[int]) -> Self:
        """Columns of zeros for so many documents."""
        count = starts[-1]
        return cls(
            parts=parts,
            starts=starts,
            language=np.zeros(count, dtype=np.int32),
            source=np.zeros(count, dtype=np.int32),
            domain=np.zeros(count, dtype=np.int32),
            licence=np.zeros(count, dtype=np.int32),
            size=np.zeros(count, dtype=np.int64),
            weight=np.zeros(count, dtype=np.int64),
            order=np.zeros(count, dtype=np.uint64),
            score=np.full(count, np.nan, dtype=np.float32),
            state=np.zeros(count, dtype=np.uint8),
        )

    def put(self, figures: "pa.Table", first: int) -> None:
        """Set the rows from `first` on to the figures of a part."""
        here = slice(first, first + figures.num_rows)
        self.language[here] = self.languages.numbers(figures["language"])
        self.source[here] = self.sources.numbers(figures["source"])
        self.domain[here] = self.domains.numbers(figures["domain"])
        self.licence[here] = self.licences.numbers(figures["licence"])
        self.state[here][figures["kept"].to_numpy()] = TRAIN
        self.size[here] = figures["size"].to_numpy()
        self.order[here] = figures["order"].to_numpy()
        if "score" in figures.schema.names:
            self.score[here] = figures["score"].to_numpy().astype(np.float32)

    def of(self, language: str, *states: int) -> NDArray[np.int64]:
        """The documents of a language in one of these states."""
        if language not in self.languages.all:
            return np.zeros(0, dtype=np.int64)
        number = self.languages.all.index(language)
        return np.flatnonzero((self.language == number) & np.isin(self.state, states))

    def tags(self) -> list[str]:
        """Languages that have a document which no earlier stage removed."""
        return sorted(self.languages.all[n] for n in np.unique(self.language[self.state != GONE]))

    def leaf_key(self, n: int, bucket: str, params: MixParams, kinds: Mapping[str, str]) -> Leaf:
        """The leaf of a document, with no size yet."""
        source, domain = self.sources.all[self.source[n]], self.domains.all[self.domain[n]]
        return Leaf(
            language=self.languages.all[self.language[n]],
            source_class=params.source_classes.get(source) or source_class(kinds.get(source, ""), domain),
            source=source,
            domain=domain,
            bucket=bucket,
            machine=machine_translated(source),
            size=0,
        )


def load(
    parts: Sequence[Part], params: MixParams, seed: int, scratch: Path, progress: Progress = quiet
) -> Table:
    """What a mixture needs of every document; the parts are read by workers, one part each in memory.

    Documents that the decisions removed are GONE; kept ones whose licence forbids the use are LICENCE, those in a
    language that the recipe does not ask for LANGUAGE, the others TRAIN.
    """
    from rumpun.corpus.engine import map_parts

    folder = scratch.absolute() / "measured"
    terms = {"seed": seed, "folder": str(folder), "samples": params.unit == "tokens"}
    told = map_parts(
        measure_part,
        [part.unit() | terms for part in parts],
        progress=progress,
        note="documents measured, by parts",
        keep=scratch / "measures",
        least=_LIGHT,
    )
    starts = [0, *itertools.accumulate(item["rows"] for item in told)]
    table = Table.empty(parts, starts)
    samples: dict[str, list[str]] = {}
    for figures, first, item in zip(each_part(folder), starts, told, strict=False):
        table.put(figures, first)
        for name, texts in item["samples"].items():
            found = samples.setdefault(name, [])
            found += texts[: _SAMPLE_DOCUMENTS - len(found)]
    forbidden = np.array(
        [not shippable(name) if name else True for name in table.licences.all], dtype=np.bool_
    )
    other = np.array(
        [
            tag in ("", "und") or bool(params.languages and tag not in params.languages)
            for tag in table.languages.all
        ],
        dtype=np.bool_,
    )
    here = np.flatnonzero(table.state == TRAIN)
    if len(here):
        table.state[here[other[table.language[here]]]] = LANGUAGE
        table.state[here[forbidden[table.licence[here]]]] = LICENCE
    _weigh(table, params, samples)
    return table


def measure_part(unit: Mapping[str, Any]) -> dict[str, Any]:
    """In a worker: the figures of one part's documents, written as a part of `folder`; its rows and its samples.

    `unit`: as of a part, and seed, folder, samples (whether any are asked for).
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    part = Part.of(unit)
    documents = read_part(part.documents, ["id", "text", "language", "source", "licence", "domain"])
    decided = ["kept", "language"] if has_column(part.decisions, "language") else ["kept"]
    decisions = read_part(part.decisions, decided)
    rows = np.flatnonzero(decisions["kept"].to_numpy())
    size = np.zeros(documents.num_rows, dtype=np.int64)
    size[rows] = pc.binary_length(final_array(part, rows, documents)).to_numpy()
    names = zip(
        documents["source"].take(rows).to_pylist(), documents["id"].take(rows).to_pylist(), strict=True
    )
    order = np.zeros(documents.num_rows, dtype=np.uint64)
    order[rows] = np.fromiter(
        (order_key(unit["seed"], source, identity) for source, identity in names), np.uint64, len(rows)
    )
    columns = documents.select(["source", "domain", "licence"])
    columns = columns.append_column("language", (decisions if len(decided) > 1 else documents)["language"])
    columns = columns.append_column("kept", decisions["kept"])
    columns = columns.append_column("size", pa.array(size)).append_column("order", pa.array(order))
    if has_column(part.attributes, _SCORE):
        columns = columns.append_column("score", read_part(part.attributes, [_SCORE])[_SCORE])
    write_part(Path(unit["folder"]), part.number, columns)
    samples = _samples(part, documents, columns, rows) if unit["samples"] else {}
    return {"rows": documents.num_rows, "samples": samples}


def _samples(
    part: Part, documents: "pa.Table", columns: "pa.Table", rows: NDArray[np.int64]
) -> dict[str, list[str]]:
    """The beginnings of the first documents of each language and source."""
    named = columns.take(rows)
    found: dict[str, list[int]] = {}
    for row, tag, source in zip(
        rows.tolist(), named["language"].to_pylist(), named["source"].to_pylist(), strict=True
    ):
        of = found.setdefault(f"{tag} {source}", [])
        if len(of) < _SAMPLE_DOCUMENTS:
            of.append(row)
    return {
        name: [text[:_SAMPLE_CHARACTERS] for text in final_texts(part, np.array(of), documents)]
        for name, of in found.items()
    }


def _weigh(table: Table, params: MixParams, samples: dict[str, list[str]]) -> None:
    if params.unit == "bytes":
        table.weight[:] = table.size
        return
    from rumpun.corpus.tokenizer import PackTokenizer

    tokenizer = PackTokenizer(params.tokenizer)
    for name, texts in sorted(samples.items()):
        tokens = sum(len(ids) for ids in tokenizer.encode(texts))
        table.rates[name] = tokens / max(1, sum(len(text.encode()) for text in texts))
    for name, rate in table.rates.items():
        tag, _, source = name.partition(" ")
        here = (table.language == table.languages.all.index(tag)) & (
            table.source == table.sources.all.index(source)
        )
        here &= table.size > 0
        table.weight[here] = np.ceil(table.size[here] * rate).astype(np.int64) + 1  # and the end of text


def quantiles(
    scores: NDArray[np.float32], sizes: NDArray[np.int64], head: float, tail: float
) -> tuple[float, float]:
    """(least score of the head, least score of the middle) by bytes; (inf, -inf) where they cannot be told apart."""
    known = np.flatnonzero(~np.isnan(scores))
    if not len(known):
        return math.inf, -math.inf
    order = known[np.argsort(scores[known], kind="stable")]
    share = np.cumsum(sizes[order]) / max(1, int(sizes[order].sum()))
    low = float(scores[order[np.searchsorted(share, tail, side="right").clip(max=len(order) - 1)]])
    high = float(scores[order[np.searchsorted(share, 1 - head, side="right").clip(max=len(order) - 1)]])
    if not low < high:
        return math.inf, -math.inf
    return (high if head else math.inf), (low if tail else -math.inf)


def buckets(scores: NDArray[np.float32], head_from: float, middle_from: float) -> NDArray[np.int64]:
    """[N] the bucket of each document: a place in `mixture.BUCKETS`."""
    return np.select([np.isnan(scores), scores >= head_from, scores < middle_from], [3, 0, 2], default=1)
