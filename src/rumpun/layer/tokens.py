"""A corpus as tokens on disk: tokenised once, shard by shard, so that a killed run goes on where it was.

A shard's folder holds `tokens.npy` (uint16 or uint32, documents one after another, each with the end-of-text token after it),
`learn.npy` (whether a token is learnt; chat only) and `rows.json` (each document's tokens, bytes and language), written last.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rumpun.errors import InputError
from rumpun.steps import Progress

__all__ = ["CHAT", "Source", "Tokenizer", "tokenise"]

CHAT = "chat"  # the name of chat rows among the sources, beside languages' tags
_BATCH = 256  # documents tokenised at once
_END = "<|endoftext|>"


@dataclass(frozen=True, slots=True)
class Source:
    """One language's text, or all chat rows, as one long row of tokens."""

    name: str  # a tag, or "chat"
    tokens: npt.NDArray[Any]  # [n] uint16 or uint32
    learn: npt.NDArray[np.bool_] | None  # [n], chat only; None: every token is learnt
    lengths: npt.NDArray[np.int64]  # [documents] tokens of each, the end-of-text token included
    bytes: int  # UTF-8 of the texts


class Tokenizer:
    """The base's tokenizer as training needs it."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoTokenizer

        self.inner = AutoTokenizer.from_pretrained(folder)
        vocabulary = self.inner.get_vocab()
        self.end: int = vocabulary.get(_END, self.inner.eos_token_id)  # between documents
        self.dtype: type[np.unsignedinteger[Any]] = np.uint16 if len(self.inner) <= 1 << 16 else np.uint32

    def documents(self, texts: list[str]) -> list[list[int]]:
        """Token ids of each text, without special tokens: text that looks like one stays text."""
        return list(self.inner(texts, add_special_tokens=False, split_special_tokens=True)["input_ids"])

    def chat(self, messages: list[dict[str, str]]) -> tuple[list[int], list[bool]]:
        """Token ids of a conversation in the base's own form, and which of them the assistant says.

        Raises:
            ValueError: the form does not keep earlier turns as they stand.
        """
        whole = self._render(messages, opened=False)
        spans: list[tuple[int, int]] = []
        for place, message in enumerate(messages):
            if message["role"] == "assistant":
                before = self._render(messages[:place], opened=True)
                after = self._render(messages[: place + 1], opened=False)
                if not (after.startswith(before) and whole.startswith(after)):
                    raise ValueError("the chat template changes earlier turns")
                spans.append((len(before), len(after.rstrip())))
        coded = self.inner(whole, add_special_tokens=False, return_offsets_mapping=True)
        learn = [any(low <= start < high for low, high in spans) for start, _ in coded["offset_mapping"]]
        return list(coded["input_ids"]), learn

    def _render(self, messages: list[dict[str, str]], *, opened: bool) -> str:
        return str(self.inner.apply_chat_template(messages, tokenize=False, add_generation_prompt=opened))


def tokenise(
    corpus: Path,
    scratch: Path,
    tokenizer: Tokenizer,
    progress: Progress,
    *,
    chat: bool,
    chat_sources: tuple[str, ...] = (),
) -> list[Source]:
    """Tokens of every shard under `corpus/train` and, where asked for, of `corpus/chat.jsonl`.

    `chat_sources` keeps the chat rows whose source begins with one of them; empty keeps every row.

    Raises:
        InputError: there is no shard, one cannot be read, or none of them has a document.
    """
    shards = sorted((corpus / "train").glob("*.parquet"))
    if not shards:
        raise InputError(f"{corpus}/train: no .parquet there", "make the corpus again")
    parts: list[Path] = []
    for place, shard in enumerate(shards):
        progress(place, 0, f"tokenising {shard.name}")
        parts.append(_part(scratch / f"text-{place:05}", _text_rows(shard, tokenizer), tokenizer))
    sources = _gather(parts, learnt=False)
    if chat:
        path = corpus / "chat.jsonl"
        progress(len(shards), 0, "tokenising chat.jsonl")
        part = _part(scratch / "chat", _chat_rows(path, tokenizer, chat_sources), tokenizer)
        conversations = _gather([part], learnt=True)
        if chat_sources and not conversations:
            raise InputError(
                f"{path}: no row of a source that begins with {' or '.join(chat_sources)}",
                "name other chat_sources, or none for every row",
            )
        sources += conversations
    if not sources:
        raise InputError(f"{corpus}/train: no document in {len(shards)} shards", "make the corpus again")
    return sources


Row = tuple[str, list[int], list[bool] | None, int]  # source, tokens, learnt, bytes


def _part(folder: Path, rows: Iterator[Row], tokenizer: Tokenizer) -> Path:
    if (folder / "rows.json").is_file():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    names: list[str] = []
    lengths: list[int] = []
    sizes: list[int] = []
    tokens: list[npt.NDArray[Any]] = []
    learn: list[npt.NDArray[np.bool_]] = []
    for name, ids, learnt, size in rows:
        names.append(name)
        lengths.append(len(ids) + 1)
        sizes.append(size)
        tokens.append(np.array([*ids, tokenizer.end], dtype=tokenizer.dtype))
        if learnt is not None:
            learn.append(np.array([*learnt, False], dtype=np.bool_))
    np.save(folder / "tokens.npy", np.concatenate(tokens) if tokens else np.zeros(0, dtype=tokenizer.dtype))
    if learn:
        np.save(folder / "learn.npy", np.concatenate(learn))
    record = folder / ".rows.json"
    record.write_text(json.dumps({"names": names, "lengths": lengths, "bytes": sizes}))
    record.replace(folder / "rows.json")
    return folder


def _text_rows(shard: Path, tokenizer: Tokenizer) -> Iterator[Row]:
    """Each document, then once more, in rounds, those that the mixture takes more often (column `times`, if there)."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(shard) as file:
            columns = ["text", "language"]
            repeats = "times" in file.schema_arrow.names
            most = (pc.max(file.read(["times"])["times"]).as_py() or 1) if repeats else 1
            for turn in range(most):
                for batch in file.iter_batches(batch_size=_BATCH, columns=columns + ["times"] * repeats):
                    here = batch.filter(pc.greater(batch["times"], turn)) if repeats else batch
                    texts, languages = here["text"].to_pylist(), here["language"].to_pylist()
                    for text, language, ids in zip(texts, languages, tokenizer.documents(texts), strict=True):
                        yield language, ids, None, len(text.encode())
    except (pa.ArrowException, KeyError) as error:
        raise InputError(f"{shard}: not a shard of documents ({error})", "make the corpus again") from error


def _chat_rows(path: Path, tokenizer: Tokenizer, wanted: tuple[str, ...]) -> Iterator[Row]:
    if not path.is_file():
        raise InputError(
            f"{path}: no such file, though chat_share is above 0",
            "set chat_share = 0, or chat_seed = true in the corpus",
        )
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            if wanted and not str(row.get("source", "")).startswith(wanted):
                continue
            messages = [{"role": m["role"], "content": m["content"]} for m in row["messages"]]
            ids, learn = tokenizer.chat(messages)
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}:{number}: not a conversation ({error!r})", "make the corpus again"
            ) from error
        yield CHAT, ids, learn, sum(len(m["content"].encode()) for m in messages)


def _gather(parts: list[Path], *, learnt: bool) -> list[Source]:
    """Join parts into sources, in the order in which they are met."""
    tokens: dict[str, list[npt.NDArray[Any]]] = {}
    learn: dict[str, list[npt.NDArray[np.bool_]]] = {}
    lengths: dict[str, list[int]] = {}
    sizes: dict[str, int] = {}
    for part in parts:
        rows = json.loads((part / "rows.json").read_text())
        if not rows["names"]:
            continue
        ids = np.load(part / "tokens.npy", mmap_mode="r")
        flags = np.load(part / "learn.npy", mmap_mode="r") if learnt else None
        ends = np.cumsum(rows["lengths"])
        for place, name in enumerate(rows["names"]):
            low, high = int(ends[place]) - rows["lengths"][place], int(ends[place])
            tokens.setdefault(name, []).append(ids[low:high])
            lengths.setdefault(name, []).append(high - low)
            sizes[name] = sizes.get(name, 0) + rows["bytes"][place]
            if flags is not None:
                learn.setdefault(name, []).append(flags[low:high])
    return [
        Source(
            name=name,
            tokens=np.concatenate(found),
            learn=np.concatenate(learn[name]) if learnt else None,
            lengths=np.array(lengths[name], dtype=np.int64),
            bytes=sizes[name],
        )
        for name, found in sorted(tokens.items())
    ]
