"""A corpus as tokens on disk: its packed shards, or tokenised once, file by file, so that a killed run goes on where it was.

The folder of a file that is tokenised here holds `tokens.bin` (uint16 or uint32, documents one after another, each with the
end-of-text token after it), `learn.bin` (whether a token is learnt; chat only) and `documents.json` (each document's source,
tokens, bytes and how often it is taken), written last. Either way the same documents stand in the same order.
"""

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rumpun.errors import InputError
from rumpun.language import identify
from rumpun.layer.packed import packed_sources
from rumpun.layer.source import CHAT, Shard, Source, join
from rumpun.layer.tokenizer import Tokenizer
from rumpun.steps import Progress

__all__ = ["PACKED", "TRAIN", "ChatRows", "tokenise"]

PACKED, TRAIN = "packed shards", "train/*.parquet"  # what the text was read from
_BATCH = 256  # documents tokenised at once


@dataclass(frozen=True, slots=True)
class ChatRows:
    """Which rows of `chat.jsonl` are read, and what is put before them."""

    sources: tuple[str, ...] = ()  # beginnings of the names of their sources; empty: every row
    system: Mapping[str, str] = field(default_factory=dict)  # language -> a system text
    share: float = 0.0  # of the rows of a language that it can stand before

    def told(self, row: Mapping[str, Any], seen: Counter[str]) -> list[dict[str, str]]:
        """The row's turns; before its language's share of the rows that are answered in it, the system text.

        `seen` counts those rows, so that they are taken in even steps and the same in each run. A translation out of the
        language is answered in another: the text would say what the answer does not do.
        """
        messages = [{"role": m["role"], "content": m["content"]} for m in row["messages"]]
        language = str(row.get("language", ""))
        words = self.system.get(language)
        if (
            words is None
            or messages[0]["role"] == "system"
            or identify(messages[-1]["content"]).language != language
        ):
            return messages
        seen[language] += 1
        before, now = ((seen[language] - back) * self.share for back in (1, 0))
        return messages if int(before) == int(now) else [{"role": "system", "content": words}, *messages]


def tokenise(
    corpus: Path,
    scratch: Path,
    tokenizer: Tokenizer,
    progress: Progress,
    *,
    chat: ChatRows | None = None,
) -> tuple[list[Source], str]:
    """Tokens of the corpus's training text and, where asked for, of its `chat.jsonl`; and what the text was read from.

    Raises:
        InputError: a file cannot be read, packed shards are not what they say, or there is no document.
    """
    files = sorted((corpus / "train").glob("*.parquet"))
    if not files and not (chat is not None and (corpus / "chat.jsonl").is_file()):
        raise InputError(f"{corpus}/train: no .parquet there", "make the corpus again")
    sources, why = packed_sources(corpus, tokenizer)
    if why:
        parts: list[Path] = []
        for place, file in enumerate(files):
            progress(place, 0, f"tokenising {file.name} ({why})")
            parts.append(_part(scratch / f"text-{place:05}", _text_rows(file, tokenizer), tokenizer))
        sources = _gather(parts, tokenizer)
    else:
        progress(0, 0, f"{sum(source.tokens for source in sources):,} tokens of {PACKED}")
    if chat is not None:
        path = corpus / "chat.jsonl"
        progress(len(files), 0, "tokenising chat.jsonl")
        part = _part(scratch / "chat", _chat_rows(path, tokenizer, chat), tokenizer)
        conversations = _gather([part], tokenizer)
        if chat.sources and not conversations:
            raise InputError(
                f"{path}: no row of a source that begins with {' or '.join(chat.sources)}",
                "name other chat_sources, or none for every row",
            )
        sources += conversations
    if not sources:
        raise InputError(f"{corpus}/train: no document in {len(files)} shards", "make the corpus again")
    return [source for source in sources if source.tokens], TRAIN if why else PACKED


Row = tuple[str, list[int], list[bool] | None, int, int]  # source, tokens, learnt, bytes, times


def _part(folder: Path, rows: Iterator[Row], tokenizer: Tokenizer) -> Path:
    if (folder / "documents.json").is_file():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    table: dict[str, list[int]] = {"lengths": [], "bytes": [], "times": []}
    names: list[str] = []
    with (folder / "tokens.bin").open("wb") as tokens, (folder / "learn.bin").open("wb") as learn:
        for name, ids, learnt, size, times in rows:
            names.append(name)
            for column, value in zip(table.values(), (len(ids) + 1, size, times), strict=True):
                column.append(value)
            tokens.write(np.array([*ids, tokenizer.end], dtype=tokenizer.dtype).tobytes())
            if learnt is not None:
                learn.write(np.array([*learnt, False], dtype=np.bool_).tobytes())
    record = folder / ".documents.json"
    record.write_text(json.dumps({"names": names, **table}))
    record.replace(folder / "documents.json")
    return folder


def _text_rows(file: Path, tokenizer: Tokenizer) -> Iterator[Row]:
    """Each document, with how often the mixture takes it (column `times`; without it, once)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as opened:
            given = "times" in opened.schema_arrow.names
            columns = ["text", "language", *(["times"] if given else [])]
            for batch in opened.iter_batches(batch_size=_BATCH, columns=columns):
                texts, languages = batch["text"].to_pylist(), batch["language"].to_pylist()
                times = batch["times"].to_pylist() if given else [1] * len(texts)
                rows = zip(texts, languages, tokenizer.documents(texts), times, strict=True)
                for text, language, ids, often in rows:
                    yield language, [*tokenizer.start, *ids], None, len(text.encode()), often
    except (pa.ArrowException, KeyError) as error:
        raise InputError(f"{file}: not a shard of documents ({error})", "make the corpus again") from error


def _chat_rows(path: Path, tokenizer: Tokenizer, wanted: ChatRows) -> Iterator[Row]:
    if not path.is_file():
        raise InputError(
            f"{path}: no such file, though chat_share is above 0",
            "set chat_share = 0, or chat_seed = true in the corpus",
        )
    seen: Counter[str] = Counter()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            if wanted.sources and not str(row.get("source", "")).startswith(wanted.sources):
                continue
            messages = wanted.told(row, seen)
            ids, learn = tokenizer.chat(messages)
        except (ValueError, LookupError, TypeError) as error:
            raise InputError(
                f"{path}:{number}: not a conversation ({error!r})", "make the corpus again"
            ) from error
        yield CHAT, ids, learn, sum(len(m["content"].encode()) for m in messages), 1


def _gather(parts: list[Path], tokenizer: Tokenizer) -> list[Source]:
    """Join parts into sources, in the order of their names."""
    found: dict[str, list[Shard]] = {}
    for part in parts:
        table = json.loads((part / "documents.json").read_text())
        if not table["names"]:
            continue
        tokens = np.asarray(np.memmap(part / "tokens.bin", dtype=tokenizer.dtype, mode="r"))
        marked = (part / "learn.bin").stat().st_size > 0
        learn = np.asarray(np.memmap(part / "learn.bin", dtype=np.bool_, mode="r")) if marked else None
        names = np.array(table["names"])
        lengths, sizes, times = (
            np.array(table[key], dtype=np.int64) for key in ("lengths", "bytes", "times")
        )
        if lengths.sum() != len(tokens) or (learn is not None and len(learn) != len(tokens)):
            raise InputError(
                f"{part}: tokens.bin or learn.bin ends early, {len(tokens):,} tokens of {lengths.sum():,}",
                f"remove {part}: it is made again",
            )
        starts = np.cumsum(lengths) - lengths
        for name in np.unique(names).tolist():
            mine = names == name
            shard = Shard(tokens, learn, starts[mine], lengths[mine], times[mine], sizes[mine])
            found.setdefault(name, []).append(shard)
    return [
        join(name, shards, begins=bool(tokenizer.start) or name == CHAT)
        for name, shards in sorted(found.items())
    ]
