"""A base's tokenizer from its file alone, for packing: no torch, no transformers."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from rumpun.engines.bases import as_folder, find_base
from rumpun.errors import InputError, MissingPartError

__all__ = ["PackTokenizer", "tokenizer_file"]

_ENDS = ("<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>")  # by preference; what stands between documents


def tokenizer_file(place: str) -> Path:
    """The `tokenizer.json` at a path, inside a folder, or of a base: a GGUF, "base", a catalogue name.

    Raises:
        InputError: there is none.
        UsageError: no file, folder or base has this name.
    """
    path = Path(place).expanduser()
    if path.suffix == ".gguf" or not path.exists():
        path = as_folder(find_base(place))
    path = path / "tokenizer.json" if path.is_dir() else path
    if not path.is_file():
        raise InputError(f"{place}: no tokenizer.json there", "name the file, a base, or a base's folder")
    return path


class PackTokenizer:
    """A tokenizer of the tokenizers library.

    Args:
        place: what `tokenizer_file` finds one by.
        end: the token between documents; empty takes the first of the usual ones that the vocabulary has.

    Raises:
        InputError: the file cannot be read, or its vocabulary has no such token.
        MissingPartError: the tokenizers library is not installed.
    """

    def __init__(self, place: str, end: str = "") -> None:
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise MissingPartError("packing tokens", "corpus") from error
        self.path = tokenizer_file(place)
        try:
            self._inner = Tokenizer.from_file(str(self.path))
        except Exception as error:  # the library raises bare exceptions
            raise InputError(
                f"{self.path}: not a tokenizer ({error})", "name a base's tokenizer.json"
            ) from error
        self._inner.no_truncation()
        self._inner.no_padding()
        self._inner.encode_special_tokens = True  # text that looks like a special token stays text
        self.end_text = end or next((name for name in _ENDS if self._inner.token_to_id(name) is not None), "")
        found = self._inner.token_to_id(self.end_text) if self.end_text else None
        if found is None:
            raise InputError(
                f"{self.path}: no token '{end or ' or '.join(_ENDS)}' to stand between documents",
                "name the tokenizer's own by end_of_text",
            )
        self.end: int = found
        self.vocabulary: int = self._inner.get_vocab_size(with_added_tokens=True)
        self.dtype: np.dtype[Any] = np.dtype("<u2" if self.vocabulary <= 1 << 16 else "<u4")

    def encode(self, texts: list[str]) -> list[list[int]]:
        """Token ids of each text, without special tokens; the library uses every core that it is given."""
        return [found.ids for found in self._inner.encode_batch(texts, add_special_tokens=False)]

    def decode(self, ids: list[int]) -> str:
        """The text of token ids, special tokens included."""
        return str(self._inner.decode(ids, skip_special_tokens=False))

    def about(self) -> dict[str, Any]:
        """What an index of packed shards says of its tokenizer."""
        kind = json.loads(self.path.read_text(encoding="utf-8")).get("model", {}).get("type", "")
        return {
            "vocabulary": self.vocabulary,
            "model": kind,
            "end_of_text": self.end_text,
            "end_id": self.end,
        }
