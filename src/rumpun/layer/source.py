"""One language's text, or all chat rows, as tokens on disk: memory-mapped, read a document at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["CHAT", "Shard", "Source", "join"]

CHAT = "chat"  # the name of chat rows among the sources, beside languages' tags

Tokens = npt.NDArray[np.unsignedinteger[Any]]
Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Shard:
    """Tokens of a file, and where one source's documents lie in it."""

    tokens: Tokens  # [n] uint16 or uint32, memory-mapped
    learn: Flags | None  # [n], chat only; None: every token is learnt
    starts: Ints  # [documents], in `tokens`
    lengths: Ints  # [documents] tokens of each, the end-of-text token included
    times: Ints  # [documents] how often the mixture takes each
    bytes: Ints  # [documents] UTF-8 of each text


@dataclass(frozen=True, slots=True)
class Source:
    """What training reads under one name: documents, one that is taken several times standing in it as often."""

    name: str  # a tag, or "chat"
    shards: tuple[Shard, ...]
    which: Ints  # [documents] the shard of each
    starts: Ints  # [documents], in their shards
    lengths: Ints  # [documents]
    tokens: int  # in all
    bytes: int  # UTF-8 of the texts
    begins: bool = (
        False  # each document has the token that begins a text; if not, the end-of-text before it serves
    )

    @property
    def chat(self) -> bool:
        """Whether only marked tokens are learnt."""
        return self.shards[0].learn is not None

    def read(self, document: int, low: int, high: int) -> Tokens:
        """Tokens `low` to `high` of a document."""
        tokens, start = self.shards[self.which[document]].tokens, int(self.starts[document])
        found: Tokens = tokens[start + low : start + high]
        return found

    def learnt(self, document: int, low: int, high: int) -> Flags:
        """Which of these tokens are learnt."""
        learn, start = self.shards[self.which[document]].learn, int(self.starts[document])
        return np.ones(high - low, dtype=np.bool_) if learn is None else learn[start + low : start + high]


def join(name: str, shards: Sequence[Shard], *, begins: bool = False) -> Source:
    """The source of these shards: all documents, then in rounds those that are taken once more, and so on."""
    times = np.concatenate([shard.times for shard in shards])
    rounds = [np.flatnonzero(times > turn) for turn in range(int(times.max(initial=0)))]
    seen = np.concatenate(rounds) if rounds else np.zeros(0, dtype=np.int64)
    lengths = np.concatenate([shard.lengths for shard in shards])[seen]
    return Source(
        name=name,
        shards=tuple(shards),
        which=np.repeat(np.arange(len(shards)), [len(shard.starts) for shard in shards])[seen],
        starts=np.concatenate([shard.starts for shard in shards])[seen],
        lengths=lengths,
        tokens=int(lengths.sum()),
        bytes=int(np.concatenate([shard.bytes for shard in shards])[seen].sum()),
        begins=begins,
    )
