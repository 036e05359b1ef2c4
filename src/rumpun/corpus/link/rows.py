"""`corpus.link` in a worker process, first half: keys, signatures and pairs, by part, by range of hashes, by band.

Every function takes a unit that JSON can say, writes into the scratch folder named in it, and returns a few numbers. A row is a
document's key: documents are numbered densely through all parts. NONE stands where there is no row.
"""

import hashlib
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rumpun.corpus.exact import firsts, url_keys
from rumpun.corpus.link.near import Signatures, alike
from rumpun.corpus.link.spill import RANGE_ROWS, gather, load, save, spill
from rumpun.corpus.minhash import BINS, Hashes, band_keys
from rumpun.corpus.parts import read_part
from rumpun.corpus.read.inventory import machine_translated

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "NONE",
    "PAIR",
    "count_urls",
    "find_firsts",
    "find_pairs",
    "group_key",
    "group_keys",
    "part_file",
    "read_rows",
    "some_columns",
]

NONE = np.uint64(0xFFFFFFFFFFFFFFFF)
PAIR = np.dtype([("one", np.int64), ("other", np.int64), ("similarity", np.float32)])


def group_key(kind: str, name: str) -> int:
    """A 64-bit key of a source or a language."""
    return int.from_bytes(hashlib.blake2b(f"{kind}\0{name}".encode(), digest_size=8).digest(), "little")


def group_keys(kind: str, names: Sequence[str]) -> Hashes:
    """[N] the keys of N sources or languages."""
    known = {name: group_key(kind, name) for name in sorted(set(names))}
    return np.fromiter((known[name] for name in names), dtype=np.uint64, count=len(names))


def some_columns(path: str, wanted: Sequence[str]) -> "pa.Table":
    """Those of the wanted columns that a part has."""
    import pyarrow.parquet as pq

    have = set(pq.read_schema(path).names)
    return read_part(Path(path), [name for name in wanted if name in have])


def _fixed(column: "pa.ChunkedArray", width: int) -> NDArray[np.uint8]:
    """[N, width] bytes of a fixed-size binary column; zeros where it is null."""
    array = column.combine_chunks()
    found = np.zeros((len(array), width), dtype=np.uint8)
    if len(array):
        data = array.buffers()[1]
        whole = np.frombuffer(data, dtype=np.uint8, count=(array.offset + len(array)) * width)
        valid = np.asarray(array.is_valid())
        found[valid] = whole.reshape(-1, width)[array.offset :][valid]
    return found


def _halves(keys: NDArray[Any]) -> tuple[Hashes, Hashes]:
    """High and low 64 bits of 16-byte keys."""
    both = np.ascontiguousarray(keys).view(np.uint64).reshape(-1, 2)
    return both[:, 0].copy(), both[:, 1].copy()


def part_file(folder: Path, name: str, part: int) -> Path:
    """Where a part keeps an array of its own."""
    return folder / name / f"part-{part:05}.npy"


def read_rows(unit: dict[str, Any]) -> dict[str, Any]:
    """A part's keys of texts and addresses, signatures, bands, and what ranks its documents."""
    scratch, part = Path(unit["scratch"]), unit["part"]
    documents = read_part(Path(unit["documents"]), ["key", "source", "language", "url"])
    figures = some_columns(
        unit["attributes"], ["minhash.signature", "minhash.shingles", "minhash.text_key", "quality.score"]
    )
    row = documents["key"].to_numpy()
    sources = documents["source"].to_pylist()
    source = group_keys("source", sources)
    spill(scratch, "exact", part, *_halves(_fixed(figures["minhash.text_key"], 16)), row)
    high, low = _halves(url_keys(documents["url"].to_pylist()))
    named = (high != 0) | (low != 0)
    spill(scratch, "url", part, high[named], low[named], row[named], source[named])
    signatures = _fixed(figures["minhash.signature"], BINS)
    save(part_file(scratch, "signatures", part), signatures)
    bands = [band_keys(signatures, band, unit["rows"]) for band in range(unit["bands"])]
    save(part_file(scratch, "bands", part), np.stack(bands))
    quality = np.zeros(len(row), dtype=np.float32)
    if "quality.score" in figures.schema.names:
        quality = figures["quality.score"].to_numpy().astype(np.float32)
    machine = np.array([machine_translated(name) for name in sources], dtype=np.float32)
    letters = figures["minhash.shingles"].to_numpy().astype(np.float32)
    unsigned = np.asarray(figures["minhash.signature"].combine_chunks().is_null()).astype(np.float32)
    rank = np.stack([machine, -np.nan_to_num(quality, nan=-np.inf), -letters, unsigned])
    save(part_file(scratch, "rank", part), rank.astype(np.float32))
    return {"rows": len(row), "first": int(row[0]) if len(row) else -1, "sources": sorted(set(sources))}


def count_urls(unit: dict[str, Any]) -> dict[str, list[int]]:
    """Of one range: key of a source -> [rows with an address, different addresses]."""
    rows = gather(Path(unit["scratch"]), "url", (unit["low"], unit["high"]))
    if not rows.shape[1]:
        return {}
    order = np.lexsort((rows[1], rows[0], rows[3]))
    high, low, source = rows[0][order], rows[1][order], rows[3][order]
    same = (high[1:] == high[:-1]) & (low[1:] == low[:-1]) & (source[1:] == source[:-1])
    new = np.concatenate([[True], ~same])
    names, at = np.unique(source, return_inverse=True)
    every, different = np.bincount(at), np.bincount(at, weights=new)
    return {str(name): [int(a), int(b)] for name, a, b in zip(names, every, different, strict=True)}


def find_firsts(unit: dict[str, Any]) -> dict[str, int]:
    """Of one range of texts' or addresses' keys: every later row with its first one."""
    scratch, name = Path(unit["scratch"]), unit["name"]
    rows = gather(scratch, name, (unit["low"], unit["high"]))
    if "sources" in unit:
        rows = rows[:, np.isin(rows[3], np.array(unit["sources"], dtype=np.uint64))]
    later, first = firsts(rows[:3])
    save(scratch / f"{name}-first" / f"range-{unit['range']:05}.npy", np.stack([later, first]))
    return {"later": len(later)}


def _parts(folder: Path) -> list[NDArray[Any]]:
    return [load(path) for path in sorted(folder.glob("part-*.npy"))]


def find_pairs(unit: dict[str, Any]) -> dict[str, int]:
    """Of some bands: pairs of rows that are alike."""
    scratch, bands = Path(unit["scratch"]), unit["of_bands"]
    files = _parts(scratch / "bands")
    signatures = Signatures(_parts(scratch / "signatures"))
    skip = load(scratch / "skip.npy")
    count = max(1, -(-len(skip) // RANGE_ROWS))
    found: list[NDArray[Any]] = [np.zeros(0, dtype=PAIR)]
    left = 0
    for band, number in itertools.product(bands, range(count)):
        low, high = (number << 64) // count, ((number + 1) << 64) // count
        keys, rows = _of_range(files, band, skip, low, high)
        pairs = alike(keys, rows, signatures, unit["similarity"])
        made = np.zeros(len(pairs.one), dtype=PAIR)
        made["one"], made["other"], made["similarity"] = pairs.one, pairs.other, pairs.similarity
        found.append(made)
        left += len(pairs.left)
    every = np.concatenate(found)
    save(scratch / "pairs" / f"band-{bands[0]:03}.npy", every)
    return {"pairs": len(every), "left": left}


def _of_range(
    files: list[NDArray[Any]], band: int, skip: NDArray[Any], low: int, high: int
) -> tuple[Hashes, NDArray[np.int64]]:
    keys, rows, first = [], [], 0
    for file in files:
        found = np.asarray(file[band])
        inside = (
            (found >= np.uint64(low)) & (found <= np.uint64(high - 1)) & ~skip[first : first + len(found)]
        )
        where = np.flatnonzero(inside)
        keys.append(found[where])
        rows.append(where + first)
        first += len(found)
    key, row = np.concatenate(keys), np.concatenate(rows)
    order = np.argsort(key, kind="stable")
    return key[order], row[order]
