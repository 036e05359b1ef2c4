"""Packed shards written: documents as a base's tokens, a language at a time. The layout is `weights.packed_shards`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self

import numpy as np

from rumpun.corpus.tokenizer import PackTokenizer
from rumpun.records.artefacts import sha256_file
from rumpun.weights.packed_shards import DOCUMENTS, FORMAT, hashes

__all__ = ["Packer"]


@dataclass(slots=True)
class _Open:
    """The shard of one language that is being written."""

    name: str
    stream: IO[bytes]
    rows: list[tuple[int, int, int, int, int]] = field(default_factory=list)
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
        coded = self._tokenizer.encode(texts)
        for text, ids, key, often in zip(texts, coded, keys, times, strict=True):
            shard = self._open.get(language) or self._begin(language)
            tokens = np.array([*ids, self._tokenizer.end], dtype=self._tokenizer.dtype)
            shard.stream.write(tokens.tobytes())
            shard.rows.append((shard.tokens, len(tokens), key, often, len(text.encode())))
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
        self._shards.append(row | hashes(self._folder, shard.name))

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
