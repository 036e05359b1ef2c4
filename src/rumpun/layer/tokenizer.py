"""The base's tokenizer as training needs it: texts and conversations to tokens."""

from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Tokenizer"]

_END = "<|endoftext|>"


class Tokenizer:
    """The base's tokenizer as training needs it."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoTokenizer

        self.folder = folder
        self.inner = AutoTokenizer.from_pretrained(folder)
        vocabulary = self.inner.get_vocab()
        self.end: int = vocabulary.get(_END, self.inner.eos_token_id)  # between documents
        begun = self.inner("")["input_ids"][:1]
        # before each text, as in the base's own training
        self.start: list[int] = begun if begun == [self.inner.bos_token_id] else []
        self.dtype: type[np.unsignedinteger[Any]] = np.uint16 if len(self.inner) <= 1 << 16 else np.uint32

    def documents(self, texts: list[str]) -> list[list[int]]:
        """Token ids of each text, without special tokens: text that looks like one stays text."""
        # verbose: the library warns of texts longer than the base's context, which training cuts into sequences anyway
        coded = self.inner(texts, add_special_tokens=False, split_special_tokens=True, verbose=False)
        return list(coded["input_ids"])

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
