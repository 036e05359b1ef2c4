"""Packed shards: a corpus as tokens that a training loop reads by numpy.memmap, with nothing to parse.

Folder `packed/`:

- `index.json`: {"format": 1, "dtype": "<u2" or "<u4", "tokenizer": {sha256, vocabulary, model, end_of_text, end_id},
  "shards": [{"name", "language", "documents", "tokens"}], "languages": {tag: {"documents", "tokens", "tokens_seen"}}};
- `<name>.bin`: tokens, little-endian, one document after another, the end-of-text token after each;
- `<name>.docs.npy`: a structured array [documents] of start (int64, of the document in the shard, in tokens), tokens
  (int64, the end included), key (uint64, of the documents artefact) and times (uint16, how often the mixture takes it).

A shard holds one language and ends at a document's end. `tokens_seen` counts repetitions; the tokens themselves are stored
once.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from rumpun.corpus.write.packed_tokenizer import PackTokenizer
from rumpun.errors import InputError
from rumpun.records.artefacts import sha256_file

__all__ = ["DOCUMENTS", "PackedShards", "Packer"]

FORMAT = 1
DOCUMENTS = np.dtype([("start", "<i8"), ("tokens", "<i8"), ("key", "<u8"), ("times", "<u2")])
Tokens = NDArray[np.unsignedinteger[Any]]


@dataclass(slots=True)
class _Open:
    """The shard of one language that is being written."""

    name: str
    stream: IO[bytes]
    rows: list[tuple[int, int, int, int]] = field(default_factory=list)
    tokens: int = 0


class Packer:
    """Writes packed shards; memory holds one batch of texts and the open shards' tables.

    Args:
        folder: `packed/` of a corpus.
        tokenizer: of the base.
        shard_tokens: a shard ends with the first document that reaches so many.
    """

    def __init__(self, folder: Path, tokenizer: PackTokenizer, shard_tokens: int = 1 << 28) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._tokenizer, self._most = folder, tokenizer, shard_tokens
        self._open: dict[str, _Open] = {}
        self._shards: list[dict[str, Any]] = []
        self._seen: dict[str, int] = {}

    def put(self, language: str, texts: list[str], keys: Sequence[int], times: Sequence[int]) -> None:
        """Append documents of one language."""
        for ids, key, often in zip(self._tokenizer.encode(texts), keys, times, strict=True):
            shard = self._open.get(language) or self._begin(language)
            tokens = np.array([*ids, self._tokenizer.end], dtype=self._tokenizer.dtype)
            shard.stream.write(tokens.tobytes())
            shard.rows.append((shard.tokens, len(tokens), key, often))
            shard.tokens += len(tokens)
            self._seen[language] = self._seen.get(language, 0) + len(tokens) * often
            if shard.tokens >= self._most:
                self._end(language)

    def _begin(self, language: str) -> _Open:
        number = sum(shard["language"] == language for shard in self._shards)
        name = f"{language}-{number:05}"
        self._open[language] = _Open(name, (self._folder / f"{name}.bin").open("wb"))
        return self._open[language]

    def _end(self, language: str) -> None:
        shard = self._open.pop(language)
        shard.stream.close()
        np.save(
            self._folder / f"{shard.name}.docs.npy", np.array(shard.rows, dtype=DOCUMENTS), allow_pickle=False
        )
        row = {"name": shard.name, "language": language, "documents": len(shard.rows), "tokens": shard.tokens}
        self._shards.append(row)

    def close(self) -> dict[str, Any]:
        """Write what is open and the index; the index is returned."""
        for language in sorted(self._open):
            self._end(language)
        self._shards.sort(key=lambda row: row["name"])
        languages: dict[str, dict[str, int]] = {}
        for row in self._shards:
            sums = languages.setdefault(row["language"], {"documents": 0, "tokens": 0})
            sums["documents"] += row["documents"]
            sums["tokens"] += row["tokens"]
        for tag, sums in languages.items():
            sums["tokens_seen"] = self._seen[tag]
        index = {
            "format": FORMAT,
            "dtype": self._tokenizer.dtype.str,
            "tokenizer": {"sha256": sha256_file(self._tokenizer.path), **self._tokenizer.about()},
            "shards": self._shards,
            "languages": languages,
        }
        (self._folder / "index.json").write_text(
            json.dumps(index, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
        )
        return index

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for shard in self._open.values():
            shard.stream.close()


class PackedShards:
    """Packed shards for reading; nothing is loaded before it is asked for.

    Args:
        folder: `packed/` of a corpus.

    Raises:
        InputError: no index there, one of a later format, or a shard of another length than the index says.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "index.json"
        try:
            self.index: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(
                f"{folder}: no packed shards ({error})", "give corpus.write a tokenizer"
            ) from error
        if self.index.get("format") != FORMAT:
            raise InputError(
                f"{path}: format {self.index.get('format')}, this rumpun reads {FORMAT}", "upgrade rumpun"
            )
        self._folder = folder
        self._dtype = np.dtype(self.index["dtype"])
        for row in self.index["shards"]:
            shard = folder / f"{row['name']}.bin"
            size = shard.stat().st_size if shard.is_file() else -1
            if size != row["tokens"] * self._dtype.itemsize:
                raise InputError(
                    f"{shard}: {size} bytes, the index says {row['tokens']} tokens", "make the corpus again"
                )

    @property
    def languages(self) -> list[str]:
        """Tags that have a document."""
        return list(self.index["languages"])

    def shard(self, name: str) -> tuple[Tokens, NDArray[Any]]:
        """A shard's tokens, memory-mapped, and its table of documents."""
        tokens: Tokens = np.memmap(self._folder / f"{name}.bin", dtype=self._dtype, mode="r")
        return tokens, np.load(self._folder / f"{name}.docs.npy", allow_pickle=False)

    def documents(self, language: str) -> Iterator[tuple[int, int, Tokens]]:
        """(key, times, tokens with the end of text) of every document of a language, in their order."""
        for row in self.index["shards"]:
            if row["language"] == language:
                tokens, table = self.shard(row["name"])
                for start, length, key, times in table.tolist():
                    yield key, times, tokens[start : start + length]

    def order(self, language: str, seed: int) -> NDArray[np.int64]:
        """[documents seen, 2] (shard among the language's, document in it), each as often as the mixture says, shuffled."""
        rows = [row for row in self.index["shards"] if row["language"] == language]
        places = []
        for number, row in enumerate(rows):
            times = self.shard(row["name"])[1]["times"]
            which = np.repeat(np.arange(len(times), dtype=np.int64), times)
            places.append(np.stack([np.full(len(which), number, dtype=np.int64), which], axis=1))
        every = np.concatenate(places) if places else np.zeros((0, 2), dtype=np.int64)
        found: NDArray[np.int64] = np.random.default_rng(seed).permutation(every, axis=0)
        return found
