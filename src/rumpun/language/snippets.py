"""Texts for training and measuring the identifier: by language and source, and short pieces of chosen lengths."""

import hashlib
import json
import random
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rumpun.errors import InputError, MissingPartError

__all__ = ["ROWS", "Pool", "cut", "read_pools", "sized"]

ROWS = Path(__file__).parent / "identifier_rows"  # words and lines written for this project
ROWS_SOURCE = "rumpun-identifier-rows"


@dataclass(slots=True)
class Pool:
    """The texts of one language in one source."""

    language: str
    source: str
    licence: str
    domain: str = ""
    texts: list[str] = field(default_factory=list)

    @property
    def characters(self) -> int:
        """Code points in all texts."""
        return sum(map(len, self.texts))


def read_pools(folder: Path, aliases: Mapping[str, str], wanted: frozenset[str]) -> list[Pool]:
    """Every pool of the wanted languages in text/, parallel/ and seed/, and the project's own rows; equal texts once.

    A row of parallel/ whose two sides are the same was not translated and is left out.

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
        table = parquet.read_table(path).to_pydict()
        domains = table.get("domain") or [""] * len(table["source"])
        same = [a == b for a, b in zip(table["src"], table["tgt"], strict=True)] if pair else None
        for tags, texts in sides:
            rows = zip(table[tags], table[texts], table["source"], table["licence"], domains, strict=True)
            for number, (tag, text, source, licence, domain) in enumerate(rows):
                language = aliases.get(tag, tag)
                if language in wanted and text and not (same and same[number]):
                    key = (language, source)
                    pools.setdefault(key, Pool(language, source, licence, domain or "")).texts.append(text)
    for language, source, domain, text in (*_seed_texts(folder / "seed"), *_own_rows()):
        if language in wanted:
            pools.setdefault((language, source), Pool(language, source, "CC0-1.0", domain)).texts.append(text)
    for pool in pools.values():
        pool.texts = list(dict.fromkeys(pool.texts))
    return [pools[key] for key in sorted(pools)]


def _seed_texts(folder: Path) -> Iterator[tuple[str, str, str, str]]:
    """(language, source, domain, text) of the sentences of seed/: a string, or a user turn and an answer, a language."""
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            for key, value in json.loads(line).items():
                if isinstance(value, dict):
                    yield from ((key, f"seed-{path.stem}", "seed", str(turn)) for turn in value.values())
                elif isinstance(value, str):
                    yield key, f"seed-{path.stem}", "seed", value


def _own_rows() -> Iterator[tuple[str, str, str, str]]:
    for path in sorted(ROWS.glob("*.toml")):
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        for kind in ("words", "lines"):
            for line in table[kind].strip().splitlines():
                yield table["tag"], f"{ROWS_SOURCE}-{kind}", f"own-{kind}", line


def _number(*parts: object) -> int:
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=8).digest())


def cut(pool: Pool, count: int, lengths: tuple[int, int], seed: int) -> list[str]:
    """Up to `count` pieces of one pool's texts as they stand, each of about as many code points as drawn from lengths.

    Texts are drawn at random and cut at spaces where there are any; one that is too short is not used.
    """
    dice = random.Random(_number(seed, pool.language, pool.source, lengths))  # noqa: S311 - sampling
    order = [text for text in pool.texts if len(text) >= lengths[0]]
    dice.shuffle(order)
    found: list[str] = []
    for turn in range(8):
        for text in order:
            if len(found) >= count:
                return found
            if turn and len(text) < 4 * lengths[1] * turn:
                continue  # a short text would give the same piece again
            piece = _piece(" ".join(text.split()), dice.randint(*lengths), dice)
            if len(piece) >= lengths[0] * 0.8 and any(sign.isalpha() for sign in piece):
                found.append(piece)
    return found


def _piece(text: str, size: int, dice: random.Random) -> str:
    if len(text) > size:
        start = dice.randrange(len(text) - size + 1)
        space = text.find(" ", start, start + size)
        if start and space >= 0:
            start = space + 1
        text = text[start:]
    return sized(text, size)


def sized(text: str, size: int) -> str:
    """The first `size` code points, less a word that is cut where that costs less than a third."""
    if len(text) <= size:
        return text.strip()
    space = text.rfind(" ", 0, size + 1)
    return text[: space if space >= size * 2 // 3 else size].strip()
