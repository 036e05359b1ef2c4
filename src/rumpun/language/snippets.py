"""Short pieces of text for training and measuring the identifier: by language, by source, of chosen lengths."""

import hashlib
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rumpun.errors import InputError, MissingPartError
from rumpun.language.identifier import clean

__all__ = ["Pool", "cut", "read_pools"]


@dataclass(slots=True)
class Pool:
    """The texts of one language in one source."""

    language: str
    source: str
    licence: str
    texts: list[str] = field(default_factory=list)

    @property
    def characters(self) -> int:
        """Code points in all texts."""
        return sum(map(len, self.texts))


def read_pools(folder: Path, aliases: Mapping[str, str], wanted: frozenset[str]) -> list[Pool]:
    """Every pool of the wanted languages in text/, parallel/ and seed/, by language and source; equal texts once.

    Raises:
        InputError: there are no such files.
        MissingPartError: pyarrow is not installed.
    """
    try:
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise MissingPartError("reading parquet", "train") from error
    paths = sorted((folder / "text").glob("*.parquet")) + sorted((folder / "parallel").glob("*.parquet"))
    if not paths:
        raise InputError(f"{folder}: no text/*.parquet or parallel/*.parquet", "set RUMPUN_DATA")
    pools: dict[tuple[str, str], Pool] = {}
    for path in paths:
        pair = path.parent.name == "parallel"
        sides = (("src_lang", "src"), ("tgt_lang", "tgt")) if pair else (("language", "text"),)
        columns = ["source", "licence", *(name for side in sides for name in side)]
        table = parquet.read_table(path, columns=columns).to_pydict()
        for tags, texts in sides:
            for tag, text, source, licence in zip(
                table[tags], table[texts], table["source"], table["licence"], strict=True
            ):
                language = aliases.get(tag, tag)
                if language in wanted and text:
                    key = (language, source)
                    pools.setdefault(key, Pool(language, source, licence)).texts.append(text)
    for language, source, text in _seed_texts(folder / "seed"):
        if language in wanted:
            pools.setdefault((language, source), Pool(language, source, "CC0-1.0")).texts.append(text)
    for pool in pools.values():
        pool.texts = list(dict.fromkeys(pool.texts))
    return [pools[key] for key in sorted(pools)]


def _seed_texts(folder: Path) -> Iterator[tuple[str, str, str]]:
    """(language, source, text) of the project's own sentences: a string, or a user turn and an answer, a language."""
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            for key, value in json.loads(line).items():
                if isinstance(value, dict):
                    yield from ((key, f"seed-{path.stem}", str(turn)) for turn in value.values())
                elif isinstance(value, str):
                    yield key, f"seed-{path.stem}", value


def _number(*parts: object) -> int:
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=8).digest())


def cut(pool: Pool, count: int, lengths: tuple[int, int], seed: int) -> list[str]:
    """Up to `count` snippets of one pool, each about as long as a number drawn from lengths (code points).

    Texts are drawn at random and cut at spaces where there are any; short ones are joined until they are long
    enough. Only what the identifier itself would see (`clean`) is kept.
    """
    dice = random.Random(_number(seed, pool.language, pool.source, lengths))  # noqa: S311 - sampling
    stream = _shuffled(pool.texts, dice)
    most = min(count, max(1, pool.characters // max(8, sum(lengths) // 2)))
    found: list[str] = []
    for _ in range(most):
        size = dice.randint(*lengths)
        text = ""
        for _ in range(64):
            text = f"{text} {_window(next(stream), size + 40, dice)}".strip()
            if len(text) >= size:
                break
        short = _to_space(text, size)
        if len(short) >= min(8, size):
            found.append(short)
    return found


def _shuffled(texts: list[str], dice: random.Random) -> Iterator[str]:
    while True:
        order = list(range(len(texts)))
        dice.shuffle(order)
        for place in order:
            yield texts[place]


def _window(text: str, size: int, dice: random.Random) -> str:
    if len(text) > 2 * size:
        start = dice.randrange(len(text) - size)
        text = text[start : start + 2 * size]
        text = text[text.find(" ") + 1 :]
    return clean(text).strip()


def _to_space(text: str, size: int) -> str:
    if len(text) <= size:
        return text
    space = text.rfind(" ", 0, size + 1)
    return text[: space if space >= size // 2 else size].strip()
