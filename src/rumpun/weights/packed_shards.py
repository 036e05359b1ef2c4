"""Packed shards: a corpus as a base's tokens, read by numpy.memmap with nothing to parse.

Folder `packed/`:

- `index.json`: {"format": 2, "dtype": "<u2" or "<u4", "tokenizer": {sha256, vocabulary, model, end_of_text, end_id},
  "shards": [{"name", "language", "documents", "tokens", "sha256", "docs_sha256"}],
  "languages": {tag: {"documents", "tokens", "tokens_seen"}}};
- `<name>.bin`: tokens, little-endian, one document after another, the end-of-text token after each;
- `<name>.docs.npy`: a structured array [documents] of start (int64, of the document in the shard, in tokens), tokens
  (int64, the end included), key (uint64, of the documents artefact), times (uint16, how often the mixture takes it) and
  bytes (int64, UTF-8 of its text).

A shard holds one language and ends at a document's end. `tokens_seen` counts repetitions; the tokens themselves are stored
once. The corpus writes them, a layer's training reads them.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rumpun.errors import InputError
from rumpun.records.artefacts import sha256_file

__all__ = ["DOCUMENTS", "FORMAT", "PackedShards", "Tokens", "hashes"]

FORMAT = 2
DOCUMENTS = np.dtype(
    [("start", "<i8"), ("tokens", "<i8"), ("key", "<u8"), ("times", "<u2"), ("bytes", "<i8")]
)
Tokens = NDArray[np.unsignedinteger[Any]]
_AGAIN = "make the corpus again"


def hashes(folder: Path, name: str) -> dict[str, str]:
    """What the index says of the bytes of a shard's two files."""
    return {
        "sha256": sha256_file(folder / f"{name}.bin"),
        "docs_sha256": sha256_file(folder / f"{name}.docs.npy"),
    }


class PackedShards:
    """Packed shards for reading; nothing is loaded before it is asked for.

    Args:
        folder: `packed/` of a corpus.

    Raises:
        InputError: no index there, one of another format, or a shard of another length than the index says.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "index.json"
        try:
            self.index: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(
                f"{folder}: no packed shards ({error})", "give corpus.write a tokenizer"
            ) from error
        found = self.index.get("format")
        if found != FORMAT:
            raise InputError(
                f"{path}: format {found}, this rumpun reads {FORMAT}",
                _AGAIN if found in range(FORMAT) else "upgrade rumpun",
            )
        self.folder = folder
        try:
            self._dtype = np.dtype(self.index["dtype"])
            expected = {row["name"]: row["tokens"] for row in self.index["shards"]}
            whole = {row["language"] for row in self.index["shards"]} == set(self.index["languages"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}: not an index of packed shards ({error!r})", _AGAIN) from error
        if not whole:
            raise InputError(f"{path}: the languages of its shards are not those that it lists", _AGAIN)
        for name, tokens in expected.items():
            shard = folder / f"{name}.bin"
            size = shard.stat().st_size if shard.is_file() else -1
            if size != tokens * self._dtype.itemsize:
                raise InputError(f"{shard}: {size} bytes, the index says {tokens} tokens", _AGAIN)

    @property
    def languages(self) -> list[str]:
        """Tags that have a document."""
        return list(self.index["languages"])

    def verify(self) -> None:
        """Read every byte of every shard.

        Raises:
            InputError: a file's sha256 is not the one in the index.
        """
        for row in self.index["shards"]:
            if not hashes(self.folder, row["name"]).items() <= row.items():
                raise InputError(
                    f"{self.folder / row['name']}: the shard's bytes are not those that were written", _AGAIN
                )

    def shards(self, language: str) -> list[tuple[Tokens, NDArray[Any]]]:
        """The shards of a language in their order: tokens, memory-mapped, and a table of `DOCUMENTS`."""
        return [self.shard(row["name"]) for row in self.index["shards"] if row["language"] == language]

    def shard(self, name: str) -> tuple[Tokens, NDArray[Any]]:
        """A shard's tokens, memory-mapped, and its table of documents."""
        tokens: Tokens = np.asarray(np.memmap(self.folder / f"{name}.bin", dtype=self._dtype, mode="r"))
        return tokens, np.load(self.folder / f"{name}.docs.npy", allow_pickle=False)

    def documents(self, language: str) -> Iterator[tuple[int, int, Tokens]]:
        """(key, times, tokens with the end of text) of every document of a language, in their order."""
        for tokens, table in self.shards(language):
            for start, length, key, times, _ in table.tolist():
                yield key, times, tokens[start : start + length]
