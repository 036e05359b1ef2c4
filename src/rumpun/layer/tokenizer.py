"""The base's tokenizer as training needs it: texts and conversations to tokens."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rumpun.errors import InputError
from rumpun.layer.merging.shards import Shards
from rumpun.weights.families.hyper import read_config, text_family

__all__ = ["Tokenizer", "embedding_rows"]

_END = "<|endoftext|>"
_TABLE = "embed_tokens.weight"  # how its name ends


class Tokenizer:
    """The base's tokenizer as training needs it.

    Args:
        folder: of the tokenizer.
        rows: of the embedding, where its tokens are looked up; a special token that no text makes may lack one, as
            Gemma 3's of images does.

    Raises:
        InputError: a token has no row.
    """

    def __init__(self, folder: Path, rows: int | None = None) -> None:
        from transformers import AutoTokenizer

        self.folder, self.rows = folder, rows
        self.inner = AutoTokenizer.from_pretrained(folder)
        vocabulary = self.inner.get_vocab()
        self.end: int = vocabulary.get(_END, self.inner.eos_token_id)  # between documents
        begun = self.inner("")["input_ids"][:1]
        # before each text, as in the base's own training
        self.start: list[int] = begun if begun == [self.inner.bos_token_id] else []
        self.dtype: type[np.unsignedinteger[Any]] = np.uint16 if len(self.inner) <= 1 << 16 else np.uint32
        self._check(self._made(vocabulary), "its tokenizer makes")

    def documents(self, texts: list[str]) -> list[list[int]]:
        """Token ids of each text, without special tokens: text that looks like one stays text."""
        # verbose: the library warns of texts longer than the base's context, which training cuts into sequences anyway
        coded = self.inner(texts, add_special_tokens=False, split_special_tokens=True, verbose=False)
        return list(coded["input_ids"])

    def chat(self, messages: list[dict[str, str]]) -> tuple[list[int], list[bool]]:
        """Token ids of a conversation in the base's own form, and which of them the assistant says.

        Raises:
            ValueError: the form does not keep earlier turns as they stand.
            InputError: it has a token without a row.
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
        ids = list(coded["input_ids"])
        self._check(ids, "its chat template makes")
        return ids, learn

    def _render(self, messages: list[dict[str, str]], *, opened: bool) -> str:
        return str(self.inner.apply_chat_template(messages, tokenize=False, add_generation_prompt=opened))

    def _made(self, vocabulary: Mapping[str, int]) -> list[int]:
        """Ids of the tokens that text is cut into, and of those that stand round it."""
        special = {number for number, token in self.inner.added_tokens_decoder.items() if token.special}
        return [*(set(vocabulary.values()) - special), self.end, *self.start]

    def _check(self, ids: Iterable[int], words: str) -> None:
        highest = max(ids, default=-1)
        if self.rows is not None and highest >= self.rows:
            token = self.inner.convert_ids_to_tokens(highest)
            raise InputError(
                f"{self.folder}: {words} tokens up to number {highest:,} ('{token}'), the embedding has {self.rows:,} rows",
                "tokenizer and weights must be of one model: fetch both again, or resize the embedding",
            )


def embedding_rows(folder: Path) -> int:
    """Rows of the embedding in a transformers folder of a text model.

    Raises:
        InputError: no model that is trained here, its files are damaged, or config.json is of another one.
    """
    text_family(folder)
    config, entries = read_config(folder), Shards(folder).entries
    shape = next((list(entry.shape) for name, entry in entries.items() if name.endswith(_TABLE)), None)
    if shape is None:
        raise InputError(f"{folder}: no tensor {_TABLE} in the files", "fetch or make the folder again")
    wanted = [int(config.need("vocab_size")), config.hidden]
    if shape != wanted:
        raise InputError(
            f"{folder}: the embedding is {shape}, config.json says {wanted} (vocab_size, hidden_size)",
            "config.json and weights must be of one model: fetch both again",
        )
    return shape[0]
