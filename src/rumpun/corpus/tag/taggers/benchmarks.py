"""Hashes of benchmarks: whole strings, exact runs and sketches, one safetensors file with its description in JSON.

Nothing else of a benchmark is stored. A string counts by its letters and marks alone, folded, so spacing and punctuation
make no difference. By the script that most of its letters are in it is cut into

    runs      13 words (of 50 letters where the script writes no spaces, of 20 Han letters): every fourth word's, every
              twelfth (fifth) letter's run, the first always, so a copied string of that length is always met
    shingles  16 letters (6 Han), of strings of at least 80 letters (50, 20): a string's sketch is the 24 with the smallest
              hash, without those that stand in more than 8 strings (the benchmark's own phrases); a text that holds more
              than half of a sketch holds the string or nearly so. Shorter strings are common phrases too often

Shapes: S strings, R runs, K sketch entries.
"""

import functools
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rumpun.corpus.letters import SCRIPTS, Hashes, Int, Letters
from rumpun.errors import InputError

__all__ = [
    "RUN",
    "Cut",
    "Hashed",
    "benchmarks",
    "hash_benchmark",
    "read_hashes",
    "strings",
    "write_hashes",
]

SCHEME = "rumpun-benchmarks-1"
WORDS, UNSPACED, HAN = 0, 1, 2  # modes: how a text is cut, by its script
RUN: Mapping[int, dict[str, int]] = {WORDS: {"words": 13}, UNSPACED: {"letters": 50}, HAN: {"letters": 20}}
_STRIDE = {WORDS: 4, UNSPACED: 12, HAN: 5}
_SHINGLE = {WORDS: 16, UNSPACED: 16, HAN: 6}
_STRING_LEAST = 20  # letters of a string that counts as a whole; "yes" and a name are no evidence
_SKETCH_STRING = {WORDS: 80, UNSPACED: 50, HAN: 20}  # letters of a string that has a sketch
_SKETCH_LEAST = 8  # entries of a sketch that says anything
_SKETCH, _COMMON = 24, 8
_AT_ONCE = 4_000
_NOT_TEXT = (
    "id",
    "url",
    "licence",
    "source",
    "language",
    "split",
    "orig_id",
    "orig_source",
    "orig_index",
    "label",
)
_NO_SPACES = ("Thai", "Laoo", "Mymr", "Khmr", "Java", "Bali", "Bugi")


@dataclass(frozen=True, slots=True, eq=False)
class Hashed:
    """Hashes of some benchmarks."""

    names: tuple[str, ...]
    keys: Hashes  # [S'] sorted: of whole strings
    key_names: NDArray[np.uint16]  # [S'] place in names
    runs: Hashes  # [R] sorted
    run_names: NDArray[np.uint16]  # [R]
    sketches: Hashes  # [K] sorted
    sketch_strings: NDArray[np.uint32]  # [K] which string
    sizes: NDArray[np.uint8]  # [S] entries of each string's sketch
    string_names: NDArray[np.uint16]  # [S]


@functools.cache
def benchmarks() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """(name, patterns of its files in the folder of source data) of every named benchmark."""
    table = tomllib.loads((Path(__file__).parent / "benchmarks.toml").read_text(encoding="utf-8"))
    return tuple((item["name"], tuple(item.get("files", ()))) for item in table["benchmark"])


def modes(letters: Letters) -> Int:
    """[N] how each text is cut, by the script of most of its letters; a Han letter counts as three."""
    counts = letters.script_counts()
    counts[:, 0] = 0  # marks of no script
    counts[:, SCRIPTS.index("Hani")] *= 3
    by_script = np.array(
        [HAN if name == "Hani" else UNSPACED if name in _NO_SPACES else WORDS for name in SCRIPTS]
    )
    found: Int = by_script[counts.argmax(axis=1)]
    return found


def strings(table: Any) -> Iterator[str]:
    """Every string in a benchmark's rows that are not for training, lists of strings joined as well."""
    import pyarrow.compute as pc

    names = table.schema.names
    if "split" in names:
        table = table.filter(pc.invert(pc.equal(table["split"], "train")))
    for name in names:
        if name in _NOT_TEXT:
            continue
        for value in table[name].to_pylist():
            if isinstance(value, str):
                yield value
            elif isinstance(value, list):
                parts = [item for item in value if isinstance(item, str)]
                yield from parts
                yield " ".join(parts)


def hash_benchmark(found: dict[str, Iterable[str]]) -> Hashed:
    """Hash benchmarks: name -> its strings. `write_hashes` stores the result."""
    names = tuple(sorted(found))
    keys: list[tuple[Hashes, NDArray[np.uint16]]] = []
    made_runs: list[tuple[Hashes, NDArray[np.uint16]]] = []
    sketches: list[tuple[Hashes, NDArray[np.uint32]]] = []
    string_names: list[NDArray[np.uint16]] = []
    at = 0
    for place, name in enumerate(names):
        texts = sorted({text for text in found[name] if len(text) >= 6})
        for first in range(0, len(texts), _AT_ONCE):
            part = texts[first : first + _AT_ONCE]
            cut = Cut(part)
            whole = cut.letters.digests()[cut.letters.letter_counts() >= _STRING_LEAST]
            keys.append((whole, np.full(len(whole), place, dtype=np.uint16)))
            hashes = _strided(cut)
            made_runs.append((hashes, np.full(len(hashes), place, dtype=np.uint16)))
            entries, of = _smallest(cut, len(part))
            sketches.append((entries, (of + at).astype(np.uint32)))
            string_names.append(np.full(len(part), place, dtype=np.uint16))
            at += len(part)
    entries, of_strings = _without_common(*_joined(sketches, np.uint32), at)
    whole, key_names = _unique(*_joined(keys, np.uint16))
    every, run_names = _unique(*_joined(made_runs, np.uint16))
    sizes = np.bincount(of_strings, minlength=at).astype(np.uint8)
    owners = np.concatenate(string_names) if string_names else np.zeros(0, dtype=np.uint16)
    return Hashed(names, whole, key_names, every, run_names, entries, of_strings, sizes, owners)


def _joined(parts: Sequence[tuple[Hashes, Any]], kind: Any) -> tuple[Hashes, Any]:
    if not parts:
        return np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=kind)
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _unique(hashes: Hashes, beside: Any) -> tuple[Hashes, Any]:
    values, first = np.unique(hashes, return_index=True)
    return values, beside[first]


class Cut:
    """N texts folded once, and parted by mode.

    Args:
        texts: any strings.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.letters = Letters(texts)
        kinds = modes(self.letters)
        self.parts: list[tuple[int, Int, Letters]] = []  # mode, rows, their letters
        for mode in np.unique(kinds).tolist():
            rows = np.flatnonzero(kinds == mode)
            own = self.letters if len(rows) == len(texts) else self.letters.some(rows)
            self.parts.append((mode, rows, own))

    def runs(self) -> Iterator[tuple[int, Hashes, Int, Int]]:
        """(mode, hashes [R], text [R], number of the run's first unit in its text [R]), for each mode."""
        for mode, rows, letters in self.parts:
            hashes, owner = letters.runs(**RUN[mode])
            place = np.arange(len(owner), dtype=np.int64)
            if len(owner):
                place -= np.searchsorted(owner, np.arange(len(rows)))[owner]
            yield mode, hashes, rows[owner], place

    def shingles(self) -> tuple[Hashes, Int]:
        """Hashes of every shingle, and the text that each lies in."""
        found = []
        for mode, rows, letters in self.parts:
            hashes, owner = letters.runs(letters=_SHINGLE[mode])
            found.append((hashes, rows[owner]))
        return _joined(found, np.int64)

    def long(self) -> NDArray[np.bool_]:
        """[N] texts that are long enough for a sketch."""
        least = np.zeros(len(self.letters.starts), dtype=np.int64)
        for mode, rows, _ in self.parts:
            least[rows] = _SKETCH_STRING[mode]
        found: NDArray[np.bool_] = self.letters.letter_counts() >= least
        return found


def _strided(cut: Cut) -> Hashes:
    parts = [hashes[place % _STRIDE[mode] == 0] for mode, hashes, _, place in cut.runs()]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.uint64)


def _smallest(cut: Cut, count: int) -> tuple[Hashes, Int]:
    """The smallest distinct shingle hashes of each of so many texts."""
    hashes, owner = cut.shingles()
    long = cut.long()[owner]
    hashes, owner = hashes[long], owner[long]
    hashes, owner = _by_owner(hashes, owner)
    if not len(hashes):
        return hashes, owner
    new = np.concatenate([[True], (hashes[1:] != hashes[:-1]) | (owner[1:] != owner[:-1])])
    hashes, owner = hashes[new], owner[new]
    place = np.arange(len(owner)) - np.searchsorted(owner, np.arange(count))[owner]
    return hashes[place < _SKETCH], owner[place < _SKETCH]


def _by_owner(hashes: Hashes, owner: Int) -> tuple[Hashes, Int]:
    """Sorted by owner, then by hash; owners are below _AT_ONCE."""
    bits = np.uint64(_AT_ONCE.bit_length())
    keys = owner.astype(np.uint64) << (np.uint64(64) - bits) | hashes >> bits
    order = np.argsort(keys)  # one sort in place of two; the lowest bits are seldom asked for
    keys, made = keys[order], hashes[order]
    if ((keys[1:] == keys[:-1]) & (made[1:] < made[:-1])).any():
        order = np.lexsort((hashes, owner))
        made = hashes[order]
    return made, owner[order]


def _without_common(hashes: Hashes, of: NDArray[np.uint32], count: int) -> tuple[Hashes, NDArray[np.uint32]]:
    order = np.lexsort((of, hashes))
    hashes, of = hashes[order], of[order]
    _, place, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    rare = counts[place] <= _COMMON if len(hashes) else np.zeros(0, dtype=np.bool_)
    hashes, of = hashes[rare], of[rare]
    enough = np.bincount(of, minlength=count)[of] >= _SKETCH_LEAST if len(of) else np.zeros(0, dtype=np.bool_)
    return hashes[enough], of[enough]


def write_hashes(path: Path, hashed: Hashed) -> None:
    """Write `<path>` (safetensors) and the description beside it (`.json`), the description last."""
    from safetensors.numpy import save_file

    tensors = {name: np.ascontiguousarray(getattr(hashed, name)) for name in _TENSORS}
    aside = path.with_name(f".{path.name}.part")
    save_file(tensors, aside)
    aside.replace(path)
    counts = {
        name: {
            "strings": int((hashed.string_names == place).sum()),
            "runs": int((hashed.run_names == place).sum()),
        }
        for place, name in enumerate(hashed.names)
    }
    about = {"scheme": SCHEME, "names": list(hashed.names), "benchmarks": counts}
    path.with_suffix(".json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


_TENSORS = {
    "keys": np.uint64, "key_names": np.uint16, "runs": np.uint64, "run_names": np.uint16, "sketches": np.uint64,
    "sketch_strings": np.uint32, "sizes": np.uint8, "string_names": np.uint16,
}  # fmt: skip


def read_hashes(path: Path) -> Hashed:
    """Read what `write_hashes` wrote.

    Raises:
        InputError: a file is missing, damaged or of another scheme.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    mend = "make it again with rumpun.corpus.tag.taggers.benchmarks.hash_benchmark"
    try:
        about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        tensors = load_file(path)
        found = Hashed(tuple(about["names"]), **{name: tensors[name] for name in _TENSORS})
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise InputError(f"{path}: no hashes of benchmarks ({error})", mend) from error
    if about.get("scheme") != SCHEME or any(
        getattr(found, name).dtype != kind for name, kind in _TENSORS.items()
    ):
        raise InputError(f"{path}: scheme {about.get('scheme')!r}, expected {SCHEME!r}", mend)
    return found
