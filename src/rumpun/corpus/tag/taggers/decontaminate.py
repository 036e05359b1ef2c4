"""The tagger `decontaminate`: how much of a text is a named benchmark's, by hashes alone (benchmarks.py says which)."""

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rumpun.corpus.letters import Hashes, Int
from rumpun.corpus.tag.batch import Batch, slices
from rumpun.corpus.tag.taggers import benchmarks
from rumpun.corpus.tag.taggers.benchmarks import Hashed
from rumpun.errors import InputError
from rumpun.records.artefacts import sha256_file
from rumpun.records.places import source_data

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Decontaminate", "prepare"]

_TOP_BITS, _LOW_BITS = 20, 24  # a megabyte, and two
_PIECE = 500_000  # code points looked at together
_OVERLAP = 8_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Decontaminate:
    """Exact runs and near matches of benchmarks."""

    data: str = ""  # folder with eval/ and safety/; empty: the folder of source data, where there is one
    hashes: tuple[str, ...] = ()  # files of a person's own benchmarks, made by benchmarks.hash_benchmark
    prepared: str = ""  # filled in by corpus.tag: the hashes of this run

    @property
    def name(self) -> str:
        """As in the table."""
        return "decontaminate"

    @property
    def version(self) -> int:
        """Raised whenever a figure changes."""
        return 1

    @property
    def columns(self) -> "pa.Schema":
        """What a text shares with benchmarks."""
        import pyarrow as pa

        return pa.schema(
            [
                ("decontaminate.share", pa.float32()),  # of its words or letters that lie in runs of a benchmark; 1: a whole string
                ("decontaminate.near", pa.float32()),  # the largest share of a benchmark string's sketch that it holds
                ("decontaminate.benchmark", pa.string()),  # the name behind the larger of the two; null without
            ]
        )  # fmt: skip

    def facts(self) -> dict[str, Any]:
        """Which benchmarks are known, which only by name, and the hash of each file."""
        files = dict(self._files())
        known = {name for name, _ in files.values()}
        return {
            "scheme": benchmarks.SCHEME,
            "files": {label: sha256_file(path)[:16] for label, (_, path) in files.items()},
            "own": {Path(path).name: sha256_file(Path(path))[:16] for path in self.hashes},
            "not_at_hand": [name for name, _ in benchmarks.benchmarks() if name not in known],
        }

    def _files(self) -> Iterator[tuple[str, tuple[str, Path]]]:
        """Label -> (benchmark, file), in order."""
        if self.data:
            folder = Path(self.data).expanduser()
            if not folder.is_dir():
                raise InputError(
                    f"{folder}: no folder of benchmarks there", "mend options.decontaminate.data"
                )
        else:
            try:
                folder = source_data()
            except InputError:
                return
        for name, patterns in benchmarks.benchmarks():
            for pattern in patterns:
                for path in sorted(folder.glob(pattern)):
                    yield path.relative_to(folder).as_posix(), (name, path)

    def hashed(self) -> Hashed:
        """Hashes of the benchmarks at hand."""
        found: dict[str, list[Path]] = {}
        for _, (name, path) in self._files():
            found.setdefault(name, []).append(path)
        # read as they are hashed, so that the strings of one benchmark are in memory at a time
        return benchmarks.hash_benchmark(
            {name: itertools.chain.from_iterable(map(_strings, paths)) for name, paths in found.items()}
        )

    def tag(self, batch: Batch) -> "dict[str, pa.Array]":
        """N shares, near matches and names; a long text in pieces, so that memory stays flat."""
        import pyarrow as pa

        pieces = [(row, piece) for row, text in enumerate(batch.texts) for piece in _pieces(text)]
        share, near = np.zeros(len(batch)), np.zeros(len(batch))
        names: list[str | None] = [None] * len(batch)
        size = np.bincount([row for row, _ in pieces], [len(piece) for _, piece in pieces], len(batch))
        for first, last in slices([len(piece) for _, piece in pieces], _PIECE):
            rows = np.array([row for row, _ in pieces[first:last]], dtype=np.int64)
            texts = [piece for _, piece in pieces[first:last]]
            weight = np.array([len(text) for text in texts]) / np.maximum(size[rows], 1)
            for found, of, largest in self._match(texts):
                for n in np.flatnonzero(found > np.maximum(share, near)[rows]).tolist():
                    names[rows[n]] = of[n]
                if largest:
                    np.maximum.at(near, rows, found)
                else:
                    np.add.at(share, rows, found * weight)
        return {
            "decontaminate.share": pa.array(np.minimum(share, 1), pa.float32()),
            "decontaminate.near": pa.array(near, pa.float32()),
            "decontaminate.benchmark": pa.array(names, pa.string()),
        }

    def _match(self, texts: list[str]) -> Iterator[tuple[NDArray[np.float64], list[str], bool]]:
        """([N] shares in runs, names, False), then ([N] near matches, names, True), each the best over all files."""
        cut = benchmarks.Cut(texts)
        keys = np.where(cut.letters.letter_counts() > 0, cut.letters.digests(), np.uint64(0))
        runs, shingles = list(cut.runs()), cut.shingles()
        best = [(np.zeros(len(texts)), [""] * len(texts)) for _ in range(2)]
        for index in _indexes((self.prepared, *self.hashes)):
            for (values, of), (most, names) in zip(
                (index.share(keys, runs), index.near(shingles, len(texts))), best, strict=True
            ):
                for row in np.flatnonzero(values > most).tolist():
                    names[row] = index.hashed.names[int(of[row])]
                np.maximum(most, values, out=most)
        for (most, names), largest in zip(best, (False, True), strict=True):
            yield most, names, largest


def _pieces(text: str) -> list[str]:
    """The text, or pieces of it that overlap by more than a benchmark's string is long."""
    if len(text) <= _PIECE:
        return [text]
    return [text[start : start + _PIECE] for start in range(0, len(text) - _OVERLAP, _PIECE - _OVERLAP)]


def _strings(path: Path) -> Iterator[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: not readable as Parquet ({error})", "fetch the file again") from error
    yield from benchmarks.strings(table)


def prepare(tagger: Decontaminate, scratch: Path) -> Path:
    """The hashes of the benchmarks at hand, made once in a run's scratch folder."""
    path = scratch / "benchmarks.safetensors"
    if not path.with_suffix(".json").is_file():
        benchmarks.write_hashes(path, tagger.hashed())
    return path


class _Table:
    """Sorted hashes with two sieves before them, which stay in the processor's caches: most values fall through.

    The first goes by a hash's top bits, in which the smallest of many hashes are alike, the second by its lowest.
    """

    def __init__(self, values: Hashes) -> None:
        self._values = values
        self._top = np.zeros(1 << _TOP_BITS, dtype=np.bool_)
        self._top[_top(values)] = True
        lowest = np.zeros(1 << _LOW_BITS, dtype=np.bool_)
        lowest[_low(values)] = True
        self._low = np.packbits(lowest, bitorder="little")

    def find(self, asked: Hashes) -> tuple[Int, Int]:
        """(places in `asked`, first place of the equal value in the table) of those that stand in it."""
        if not len(self._values):
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        close = np.flatnonzero(self._top[_top(asked)])
        low = _low(asked[close])
        close = close[(self._low[low >> 3] >> (low & 7).astype(np.uint8) & 1) > 0]
        at = np.searchsorted(self._values, asked[close])
        inside = at < len(self._values)
        inside[inside] = self._values[at[inside]] == asked[close[inside]]
        return close[inside], at[inside]

    def last(self, at: Int) -> Int:
        """One past the last place of the value that stands first at each place."""
        found: Int = np.searchsorted(self._values, self._values[at], side="right")
        return found


def _top(hashes: Hashes) -> Int:
    return (hashes >> np.uint64(64 - _TOP_BITS)).view(np.int64)


def _low(hashes: Hashes) -> Int:
    return (hashes & np.uint64((1 << _LOW_BITS) - 1)).view(np.int64)


class _Index:
    """The hashes of one file, ready to be asked."""

    def __init__(self, hashed: Hashed) -> None:
        self.hashed = hashed
        self._keys, self._runs, self._sketches = (
            _Table(hashed.keys),
            _Table(hashed.runs),
            _Table(hashed.sketches),
        )

    def share(
        self, keys: Hashes, runs: list[tuple[int, Hashes, Int, Int]]
    ) -> tuple[NDArray[np.float64], Int]:
        """[N] the share of each text that lies in runs, and [N] the benchmark of the first."""
        values, of = np.zeros(len(keys)), np.zeros(len(keys), dtype=np.int64)
        for mode, hashes, owner, place in runs:
            units = next(iter(benchmarks.RUN[mode].values()))
            hits, at = self._runs.find(hashes)
            if not len(hits):
                continue
            texts, starts = owner[hits], place[hits]
            same = np.append(texts[1:] == texts[:-1], False)
            gaps = np.append(np.diff(starts), 0)
            covered = np.where(same, np.minimum(gaps, units), units)
            whole = np.bincount(owner, minlength=len(keys)) + units - 1
            values += np.bincount(texts, weights=covered, minlength=len(keys)) / whole
            of[texts[::-1]] = self.hashed.run_names[at[::-1]]
        found, at = self._keys.find(keys)
        values[found] = 1
        of[found] = self.hashed.key_names[at]
        return values, of

    def near(self, shingles: tuple[Hashes, Int], count: int) -> tuple[NDArray[np.float64], Int]:
        """[N] the largest share of a string's sketch that each text holds, and [N] the string's benchmark."""
        values, of = np.zeros(count), np.zeros(count, dtype=np.int64)
        hits, first = self._sketches.find(shingles[0])
        if not len(hits):
            return values, of
        pairs = np.unique(np.stack([shingles[1][hits], first]), axis=1)  # a shingle counts once a text
        texts, first = pairs[0], pairs[1]
        each = self._sketches.last(first) - first
        entries = np.repeat(first - np.cumsum(each) + each, each) + np.arange(each.sum())
        strings = self.hashed.sketch_strings[entries].astype(np.int64)
        both, held = np.unique(np.stack([np.repeat(texts, each), strings]), axis=1, return_counts=True)
        shares = held / self.hashed.sizes[both[1]]
        order = np.lexsort((both[1], -shares, both[0]))
        best = order[np.concatenate([[True], np.diff(both[0][order]) != 0])]
        values[both[0][best]] = shares[best]
        of[both[0][best]] = self.hashed.string_names[both[1][best]]
        return values, of


@functools.lru_cache(maxsize=2)
def _indexes(paths: tuple[str, ...]) -> tuple[_Index, ...]:
    return tuple(_Index(benchmarks.read_hashes(Path(path))) for path in paths if path)
