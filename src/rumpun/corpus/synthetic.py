"""Text by script for benchmarks of size and of duplicates: seeded character models, with copies planted and the truth beside them.

A model of order 4 draws each character from those that follow the last four in the texts that it has learnt; it is learnt at run
time, from the texts given or from the folder of source text, and never stored. Lengths of documents are drawn from the real ones.
The same arguments give the same bytes. The text means nothing, but letters, spaces, lines and lengths are as in the language.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rumpun.corpus.languages import scripts, spaced
from rumpun.errors import InputError, UsageError
from rumpun.records.places import source_data

__all__ = [
    "CharacterModel",
    "Plan",
    "Planted",
    "documents",
    "plant",
    "real_texts",
    "word_letters",
    "write_synthetic",
]

ORDER = 4
LEARNT_CHARACTERS = 3_000_000  # of a language's text
LONGEST = 50_000  # code points of a document
_LANES, _STEPS = 1024, 2048  # streams drawn side by side, and characters of each at a time
_KEPT = 4_096  # earlier documents from which copies are drawn
_WORD_LETTERS = 5  # of what stands for a word where words are not written apart; 2 in Han


class CharacterModel:
    """What follows each run of `order` characters.

    Args:
        texts: at least one character in all.
        order: characters that the next one depends on.
    """

    def __init__(self, texts: Sequence[str], order: int = ORDER) -> None:
        codes = np.frombuffer("\n".join(texts).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        if not len(codes):
            raise InputError("a character model of no text", "give it texts")
        self._alphabet, ids = np.unique(codes, return_inverse=True)
        state = np.zeros(len(codes), dtype=np.int64)
        for back in range(order, 0, -1):  # contexts numbered step by step, so that no alphabet is too large
            _, state = np.unique(state * len(self._alphabet) + np.roll(ids, back), return_inverse=True)
        order_ = np.argsort(state, kind="stable")
        self._next_id = ids[order_].astype(np.int32)
        self._next_state = np.roll(state, -1)[order_].astype(np.int32)
        self._count = np.bincount(state)
        self._first = np.cumsum(self._count) - self._count

    def draw(self, rng: np.random.Generator, lanes: int, steps: int) -> str:
        """`lanes` streams of `steps` characters each, one after another."""
        state = self._next_state[rng.integers(len(self._next_state), size=lanes)]
        drawn = np.zeros((steps, lanes), dtype=np.int32)
        for step in range(steps):
            at = self._first[state] + (rng.random(lanes) * self._count[state]).astype(np.int64)
            drawn[step] = self._next_id[at]
            state = self._next_state[at]
        return self._alphabet[drawn.T].astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")


def real_texts(language: str, characters: int = LEARNT_CHARACTERS) -> tuple[list[str], NDArray[np.int64]]:
    """Texts of a language from the folder of source text, up to so many characters, the same share of each file.

    Returns:
        The texts, and the lengths of all documents there.

    Raises:
        InputError: there is no such folder, or no text of the language in it.
    """
    import pyarrow.parquet as pq

    folder = source_data() / "text"
    paths = [
        p for p in sorted(folder.glob(f"*.{language}.parquet")) if not p.name.startswith("frequency-words")
    ]
    if not paths:
        raise InputError(f"{folder}: no text of language '{language}'", "give texts of your own")
    found: list[str] = []
    lengths: list[int] = []
    for path in paths:
        left = characters // len(paths)
        for text in pq.read_table(path, columns=["text"])["text"].to_pylist():
            lengths.append(len(text))
            if left > 0 and text:
                found.append(text[:left])
                left -= len(text)
    return found, np.array(lengths, dtype=np.int64)


def word_letters(language: str) -> int:
    """Code points of what stands for a word in a language that writes none apart; 0 in the others."""
    return 0 if spaced(language) else 2 if "Hani" in scripts(language) else _WORD_LETTERS


def documents(
    model: CharacterModel,
    rng: np.random.Generator,
    lengths: NDArray[np.int64],
    *,
    words: int = 0,
    word: int = 0,
) -> Iterator[str]:
    """Documents without end.

    Args:
        model: where the characters come from.
        rng: seeded.
        lengths: of documents in code points, drawn from with the same chance for each.
        words: if not 0, every document has so many words instead.
        word: code points of a word where words are not written apart; 0 where they are.
    """
    while True:
        text = model.draw(rng, _LANES, _STEPS)
        if words and not word:
            found = text.split()
            for start in range(0, len(found) - words + 1, words):
                yield " ".join(found[start : start + words])
            continue
        at = 0
        while at < len(text):
            size = words * word if words else int(np.clip(rng.choice(lengths), 1, LONGEST))
            piece = text[at : at + size].strip()
            at += size
            if piece and at <= len(text):
                yield piece


@dataclass(frozen=True, slots=True)
class Planted:
    """A document and what it is."""

    text: str
    kind: str  # "new", "exact" or "near"
    of: int  # the row that it is a copy of; its own row for a new one


@dataclass(slots=True)
class _Shelf:
    """Documents seen, of which each is copied at most once; a full shelf loses one at random."""

    rng: np.random.Generator
    held: list[tuple[int, str]] = field(default_factory=list)

    def put(self, row: int, text: str) -> None:
        if len(self.held) < _KEPT:
            self.held.append((row, text))
        else:
            self.held[int(self.rng.integers(_KEPT))] = (row, text)

    def take(self) -> tuple[int, str]:
        at = int(self.rng.integers(len(self.held)))
        self.held[at], self.held[-1] = self.held[-1], self.held[at]
        return self.held.pop()


def plant(
    texts: Iterator[str],
    rng: np.random.Generator,
    *,
    exact: float = 0.1,
    near: float = 0.1,
    changed: float = 0.02,
    word: int = 0,
) -> Iterator[Planted]:
    """The documents, with copies of earlier ones among them.

    Args:
        texts: new documents.
        rng: seeded.
        exact: share of the rows that are exact copies.
        near: share of the rows that are near copies; none is a copy of a text with fewer than 60 words.
        changed: share of a near copy's words that are changed: 5 of 250.
        word: code points of a word where words are not written apart; 0 where they are.
    """
    copied, long = _Shelf(rng), _Shelf(rng)
    pattern = re.compile(rf"[^\s]{{{word}}}" if word else r"\S+")
    vocabulary: list[str] = []
    for row, text in enumerate(texts):
        chance = rng.random()
        # the text that a copy takes the place of is not used
        if chance < exact and copied.held:
            of, old = copied.take()
            yield Planted(old, "exact", of)
            continue
        if exact <= chance < exact + near and long.held:
            of, old = long.take()
            yield Planted(_changed(old, pattern, vocabulary, rng, changed), "near", of)
            continue
        yield Planted(text, "new", row)
        spans = pattern.findall(text)
        vocabulary = (spans + vocabulary)[:2_000]
        (long if len(spans) >= 60 and rng.random() < 0.5 else copied).put(row, text)


def _changed(
    text: str, pattern: "re.Pattern[str]", vocabulary: list[str], rng: np.random.Generator, share: float
) -> str:
    spans = [match.span() for match in pattern.finditer(text)]
    count = max(1, round(share * len(spans)))
    pieces, at = [], 0
    for number in sorted(rng.choice(len(spans), size=count, replace=False).tolist()):
        start, end = spans[number]
        new = text[start:end]
        while new == text[start:end]:
            new = vocabulary[int(rng.integers(len(vocabulary)))]
        pieces += [text[at:start], new]
        at = end
    return "".join([*pieces, text[at:]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What `write_synthetic` writes. `size_bytes` is of UTF-8 text in all, in equal shares; or `rows`, in equal shares."""

    languages: tuple[str, ...]
    size_bytes: int = 0
    rows: int = 0
    seed: int = 1
    exact: float = 0.1
    near: float = 0.1
    words: int = 0  # of every document; 0 draws the real lengths
    texts: dict[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # to learn from, instead of the source text
    order: int = ORDER


def write_synthetic(path: Path, plan: Plan) -> dict[str, Any]:
    """Write `path` (.jsonl or .parquet) and beside it `<name>.truth.parquet`: row, kind, of; row for row.

    Memory: the models, one at a time, and a few thousand documents.

    Returns:
        rows, bytes, and how many of each kind.

    Raises:
        UsageError: neither a size nor rows, or another suffix.
        InputError: no text to learn a language from.
    """
    if (plan.size_bytes > 0) == (plan.rows > 0):
        raise UsageError("a plan names its size_bytes or its rows", "give one of the two, above 0")
    if path.suffix not in (".jsonl", ".parquet"):
        raise UsageError(f"{path}: a file of this kind is not written", "name it .jsonl or .parquet")
    told: dict[str, Any] = {"rows": 0, "bytes": 0, "new": 0, "exact": 0, "near": 0}
    with _Writer(path) as writer:
        for number, language in enumerate(plan.languages):
            most = (plan.rows or plan.size_bytes) * (number + 1) // len(plan.languages)
            base = told["rows"]
            for item in _of_language(language, plan):
                if told["rows" if plan.rows else "bytes"] >= most:
                    break
                writer.add(item, language, base + item.of)
                told["rows"] += 1
                told["bytes"] += len(item.text.encode("utf-8", "surrogatepass"))
                told[item.kind] += 1
    return told


def _of_language(language: str, plan: Plan) -> Iterator[Planted]:
    rng = np.random.default_rng([plan.seed, *language.encode()])
    given: Sequence[str] = plan.texts.get(language, ())
    lengths = np.array([len(text) for text in given], dtype=np.int64)
    if not given:
        given, lengths = real_texts(language)
    word = word_letters(language)
    drawn = documents(CharacterModel(given, plan.order), rng, lengths, words=plan.words, word=word)
    return plant(drawn, rng, exact=plan.exact, near=plan.near, word=word)


class _Writer:
    """Rows into the file and its truth, some thousands at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: list[dict[str, str]] = []
        self._truth: list[dict[str, Any]] = []
        self._files: list[Any] = []
        self._written = 0

    def __enter__(self) -> Self:
        import pyarrow as pa
        import pyarrow.parquet as pq

        names = ("id", "text", "language", "source", "licence", "url", "domain")
        truth = pa.schema([("row", pa.int64()), ("kind", pa.string()), ("of", pa.int64())])
        self._schemas = (pa.schema([(name, pa.large_string()) for name in names]), truth)
        self._jsonl = self._path.open("w", encoding="utf-8") if self._path.suffix == ".jsonl" else None
        self._parquet = (
            None if self._jsonl else pq.ParquetWriter(self._path, self._schemas[0], compression="zstd")
        )
        self._beside = pq.ParquetWriter(self._path.with_suffix(".truth.parquet"), truth, compression="zstd")
        return self

    def add(self, item: Planted, language: str, of: int) -> None:
        row = self._written + len(self._rows)
        self._rows.append(
            {"id": f"synthetic-{row}", "text": item.text, "language": language, "source": f"synthetic-{language}",
             "licence": "CC0-1.0", "url": "", "domain": "synthetic"}
        )  # fmt: skip
        self._truth.append({"row": row, "kind": item.kind, "of": of})
        if len(self._rows) >= 2_000:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._jsonl:
            self._jsonl.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in self._rows)
        elif self._parquet:
            self._parquet.write_table(pa.Table.from_pylist(self._rows, schema=self._schemas[0]))
        self._beside.write_table(pa.Table.from_pylist(self._truth, schema=self._schemas[1]))
        self._written += len(self._rows)
        self._rows, self._truth = [], []

    def __exit__(self, *_: object) -> None:
        self._flush()
        for file in (self._jsonl, self._parquet, self._beside):
            if file is not None:
                file.close()
