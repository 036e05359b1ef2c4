"""The step `corpus.link`: documents and their attributes -> links, what can be known only from all documents at once.

`part-N.parquet` has a row beside every document (`link_units.links_schema`). In order: exact duplicates of text and of address;
near-duplicates among what is left; frequent lines, counted in documents that are no exact duplicates; exact substrings of documents
that are no near-duplicates either. Nothing is removed here: `corpus.filter` decides.

Work goes by parts, bands and ranges of hashes, through `corpus.engine`; arrays over all documents (52 bytes a document) and the
clusters are kept in one process. Texts are read for substrings alone. Nothing depends on workers.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rumpun.corpus.link import counts as link_counts
from rumpun.corpus.link import rows as link_rows
from rumpun.corpus.link.near import Settled, Signatures, settle
from rumpun.corpus.link.rows import NONE, group_key
from rumpun.corpus.link.spill import join, load, ranges, save
from rumpun.corpus.minhash import BINS, SCHEME
from rumpun.errors import InputError, UsageError
from rumpun.steps import Outcome, Work, step

__all__ = ["LinkParams", "link"]

_ADDRESS_SHARE = 0.5  # a source whose addresses repeat more than this names files or books, not documents
_ROWS_AT_LEAST = 1 << 20  # of bands together in one unit
_LIGHT = 8  # parts looked through take no longer than a worker process takes to start
_STAYS, _EXACT, _NEAR = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkParams:
    """What counts as the same."""

    near_similarity: float = 0.7  # least estimated Jaccard similarity of two documents' shingles
    near_bands: int = 25  # a pair of similarity 0.7 meets with probability 0.99, of 0.3 with 0.06
    near_rows: int = 5  # of a band
    # a line is frequent in so many documents of one source or language …
    line_min_documents: int = 10
    line_min_share: float = 0.001  # … and in this share of them …
    line_min_characters: int = 4  # … and is so long, its white space counted
    line_exclude_domains: tuple[str, ...] = (
        "law",
        "scripture",
        "classical-poetry",
        "software-docs",
        "tech-course",
        "ml-course",
    )  # what repeats there is form, verse or code
    substring_letters: int = 100  # the shortest run of letters that is marked; 0 marks none
    # sources whose addresses name one document each; empty: those of which at least half the addresses differ
    url_sources: tuple[str, ...] = field(default=())

    def check(self) -> None:
        """Refuse what cannot be meant."""
        if not 0 < self.near_similarity <= 1:
            raise ValueError(f"near_similarity = {self.near_similarity}: expected above 0 and at most 1")
        if not 1 <= self.near_rows <= 8 or self.near_bands < 1 or self.near_bands * self.near_rows > BINS:
            raise ValueError(
                f"near_bands = {self.near_bands}, near_rows = {self.near_rows}: expected 1 to 8 rows, and at most {BINS} in all bands"
            )
        if self.line_min_documents < 2:
            raise ValueError(f"line_min_documents = {self.line_min_documents}: expected 2 or more")
        if not 0 <= self.line_min_share <= 1:
            raise ValueError(f"line_min_share = {self.line_min_share}: expected a share from 0 to 1")
        if self.substring_letters and self.substring_letters < 8:
            raise ValueError(f"substring_letters = {self.substring_letters}: expected 0, or 8 or more")


@step(kind="links", version=1, part="corpus", needs=("documents", "attributes"))
def link(params: LinkParams, work: Work) -> Outcome:
    """Link documents that are the same in some way.

    Raises:
        UsageError: the tagger `minhash` has not run.
        InputError: documents and attributes do not lie side by side.
    """
    import pyarrow as pa

    job = _Link(params, work)
    job.read_rows()
    job.exact()
    job.near()
    job.counts()
    summary = job.write()
    return Outcome(
        summary={"scheme": SCHEME} | summary, tools={"pyarrow": pa.__version__, "numpy": np.__version__}
    )


class _Link:
    """One linking under way."""

    def __init__(self, params: LinkParams, work: Work) -> None:
        self.params = params
        self.work = work
        self.scratch = work.scratch
        self.parts = _side_by_side(work)
        self.documents = 0
        self.sources: dict[str, str] = {}  # key -> name
        self.summary: dict[str, Any] = {}

    def _map(
        self,
        function: Callable[[Any], Any],
        units: list[dict[str, Any]],
        note: str,
        *,
        keep: bool = True,
        least: int = 1,
    ) -> list[Any]:
        from rumpun.corpus.engine import map_parts

        common = {"scratch": str(self.scratch)}
        return map_parts(
            function,
            [common | unit for unit in units],
            progress=self.work.progress,
            note=note,
            keep=self.scratch / "done" if keep else None,
            least=least,
        )

    def _ranges(self, name: str, **more: Any) -> list[dict[str, Any]]:
        return [
            {"name": name, "range": number, "low": low, "high": high} | more
            for number, (low, high) in enumerate(ranges(self.scratch, name))
        ]

    def read_rows(self) -> None:
        """Keys, signatures and ranks of every part."""
        shape = {"bands": self.params.near_bands, "rows": self.params.near_rows}
        found = self._map(
            link_rows.read_rows,
            [part | shape for part in self.parts],
            "documents looked up, by parts",
            least=_LIGHT,
        )
        for part, told in zip(self.parts, found, strict=True):
            if told["rows"] and told["first"] != self.documents:
                raise InputError(
                    f"{part['documents']}: keys start at {told['first']}, expected {self.documents}",
                    "make the documents again",
                )
            part["first"], part["rows_in_part"] = self.documents, told["rows"]
            self.documents += told["rows"]
            self.sources |= {str(group_key("source", name)): name for name in told["sources"]}
        self.summary["documents"] = self.documents

    def exact(self) -> None:
        """`exact.first` and `url.first`, and who is gone by them."""
        self._map(link_rows.find_firsts, self._ranges("exact"), "exact duplicates, by ranges of hashes")
        trusted, left_out = self._address_sources()
        self._map(
            link_rows.find_firsts,
            self._ranges("url", sources=trusted),
            "equal addresses, by ranges of hashes",
        )
        gone = np.zeros(self.documents, dtype=np.uint8)
        for name in ("exact", "url"):
            first = np.full(self.documents, NONE, dtype=np.uint64)
            for path in sorted((self.scratch / f"{name}-first").glob("range-*.npy")):
                later, of = load(path)
                first[later.astype(np.int64)] = of
            save(self.scratch / f"{name}.first.npy", first)
            gone[first != NONE] = _EXACT
            self.summary[name] = {"duplicates": int((first != NONE).sum())}
        self.summary["url"]["sources_whose_addresses_repeat"] = left_out
        self.gone = gone

    def _address_sources(self) -> tuple[list[int], list[str]]:
        """Keys of the sources whose addresses name documents, and the names of the others."""
        every: Counter[str] = Counter()
        different: Counter[str] = Counter()
        for told in self._map(
            link_rows.count_urls, self._ranges("url"), "addresses counted, by ranges of hashes"
        ):
            for key, (rows, distinct) in told.items():
                every[key] += rows
                different[key] += distinct
        named = self.params.url_sources
        known = set(self.sources.values())
        for name in named:
            if name not in known:
                raise UsageError(
                    f"url_sources: no document is of source '{name}'", f"known: {', '.join(sorted(known))}"
                )
        trusted = [
            key
            for key in sorted(every)
            if (self.sources[key] in named if named else different[key] >= (1 - _ADDRESS_SHARE) * every[key])
        ]
        left = sorted(
            self.sources[key] for key in every if key not in trusted and different[key] < every[key]
        )
        return [int(key) for key in trusted], left

    def near(self) -> None:
        """`near.*`: clusters of what is no exact duplicate."""
        rank = _joined(self.scratch / "rank", axis=1)
        save(self.scratch / "skip.npy", (self.gone != _STAYS) | (rank[3] > 0))
        many = max(1, _ROWS_AT_LEAST // max(1, self.documents))  # a unit is worth a worker
        bands = list(range(self.params.near_bands))
        told = self._map(
            link_rows.find_pairs,
            [
                {"of_bands": bands[first : first + many], "similarity": self.params.near_similarity}
                for first in bands[::many]
            ],
            "near-duplicates, by bands",
        )
        pairs = np.concatenate([load(path) for path in sorted((self.scratch / "pairs").glob("band-*.npy"))])
        signatures = Signatures(
            [load(path) for path in sorted((self.scratch / "signatures").glob("part-*.npy"))]
        )
        found = settle(pairs["one"], pairs["other"], tuple(rank[:3]), signatures, self.params.near_similarity)
        self._save_near(found)
        self.summary["near"] = {
            "clusters": len(np.unique(found.cluster)),
            "duplicates": int((found.first != found.rows).sum()),
            "rows_not_compared_in_large_buckets": sum(one["left"] for one in told),
            "without_signature": int((rank[3] > 0).sum()),
        }

    def _save_near(self, found: Settled) -> None:
        cluster = np.full(self.documents, NONE, dtype=np.uint64)
        first = np.full(self.documents, NONE, dtype=np.uint64)
        close = np.zeros(self.documents, dtype=np.float32)
        left = found.first != found.rows
        cluster[found.rows] = found.cluster.astype(np.uint64)
        first[found.rows[left]] = found.first[left].astype(np.uint64)
        close[found.rows] = found.similarity
        self.gone[found.rows[left]] = _NEAR
        # a copy of a text lies in that text's cluster: if the text itself cannot be used, the copy may stand for it there
        same = load(self.scratch / "exact.first.npy")
        copies = np.flatnonzero(same != NONE)
        of = same[copies].astype(np.int64)
        copies, of = copies[cluster[of] != NONE], of[cluster[of] != NONE]
        cluster[copies], close[copies] = cluster[of], close[of]
        first[copies] = np.where(first[of] == NONE, of.astype(np.uint64), first[of])
        for name, array in (("near.cluster", cluster), ("near.first", first), ("near.similarity", close)):
            save(self.scratch / f"{name}.npy", array)
        save(self.scratch / "gone.npy", self.gone)

    def counts(self) -> None:
        """Tables of frequent lines, shared anchors and repeated windows."""
        terms = self._line_terms()
        told = self._map(
            link_counts.count_part, [part | terms for part in self.parts], "lines counted, by parts"
        )
        sizes: Counter[str] = Counter()
        for one in told:
            sizes.update(one)
        least, share = self.params.line_min_documents, self.params.line_min_share
        needs = {key: max(least, int(np.ceil(share * size))) for key, size in sizes.items()}
        self._table("lines", least=least, needs={key: need for key, need in needs.items() if need > least})
        if self.params.substring_letters:
            self._table("anchors", least=2)
            self._map(
                link_counts.find_windows,
                [part | terms for part in self.parts],
                "repeated runs looked for, by parts",
                least=_LIGHT,
            )
            self._table("windows", least=2)

    def _line_terms(self) -> dict[str, Any]:
        return {
            "letters": self.params.substring_letters,
            "line_characters": self.params.line_min_characters,
            "line_exclude_domains": list(self.params.line_exclude_domains),
        }

    def _table(self, name: str, **more: Any) -> None:
        """Put together what stands in enough documents, from all ranges."""
        self._map(
            link_counts.find_repeated, self._ranges(name, **more), f"{name} counted, by ranges of hashes"
        )
        paths = sorted((self.scratch / f"{name}-repeated").glob("range-*.npy"))
        join(self.scratch / f"{name}.npy", paths)

    def write(self) -> dict[str, Any]:
        """The artefact's parts, and the figures."""
        where = {"folder": str(self.work.folder)} | self._line_terms()
        told = self._map(
            link_counts.write_links,
            [part | where for part in self.parts],
            "links written, by parts",
            keep=False,
            least=_LIGHT,
        )
        total: Counter[str] = Counter()
        for one in told:
            total.update(one)
        return self.summary | {
            "lines": {"frequent": int(load(self.scratch / "lines.npy").shape[1]), "places": total["lines"]},
            "substrings": {
                "marks": total["marks"],
                "documents": total["marked"],
                "code_points": total["code_points"],
            },
        }


def _side_by_side(work: Work) -> list[dict[str, Any]]:
    """A unit for every part: its number, and the paths of its documents and attributes.

    Raises:
        UsageError: the tagger `minhash` has not run.
        InputError: the two have different parts or rows.
    """
    import pyarrow.parquet as pq

    from rumpun.corpus.parts import part_paths

    documents = part_paths(work.input("documents").folder)
    attributes = part_paths(work.input("attributes").folder)
    if len(documents) != len(attributes):
        raise InputError(
            f"{len(documents)} parts of documents, {len(attributes)} of attributes",
            "tag these documents, and link them with those attributes",
        )
    for one, other in zip(documents, attributes, strict=True):
        rows, figures = pq.read_metadata(one).num_rows, pq.read_metadata(other).num_rows
        if rows != figures:
            raise InputError(
                f"{other}: {figures} rows, but its documents have {rows}",
                "tag these documents, and link them with those attributes",
            )
    if "minhash.signature" not in pq.read_schema(attributes[0]).names:
        raise UsageError(
            f"{attributes[0]}: no column minhash.signature",
            "name the tagger 'minhash' in the step that uses corpus.tag",
        )
    return [
        {"part": number, "documents": str(one), "attributes": str(other)}
        for number, (one, other) in enumerate(zip(documents, attributes, strict=True))
    ]


def _joined(folder: Path, *, axis: int) -> NDArray[Any]:
    return np.concatenate([load(path) for path in sorted(folder.glob("part-*.npy"))], axis=axis)
