"""A base's byte-level BPE as learning sees it: how it cuts text, which pieces it makes, and the same with new tokens."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import regex

from rumpun.engines.bases import as_gguf
from rumpun.errors import InputError
from rumpun.steps import Progress, quiet
from rumpun.weights.gguf_file import Gguf, read_gguf
from rumpun.weights.layer_file import LayerSpec
from rumpun.weights.tokenizer_json import tokenizer_json
from rumpun.weights.vocabulary import extended

__all__ = ["BaseTokenizer", "byte_letters"]

_NUMBER = regex.compile(r"\p{N}")


def byte_letters() -> list[str]:
    """The letter that stands for each byte in a byte-level BPE (GPT-2's table)."""
    kept = {*range(33, 127), *range(161, 173), *range(174, 256)}
    other = iter(range(256, 512))
    return [chr(byte) if byte in kept else chr(next(other)) for byte in range(256)]


class BaseTokenizer:
    """The tokenizer of a base, alone or with a layer's tokens and merges.

    Args:
        base: a GGUF, or a folder of transformers weights, with a byte-level BPE.
        progress: of a folder that is first written as a GGUF, once.

    Raises:
        InputError: the base cannot be read, or its tokenizer is another one.
    """

    def __init__(self, base: Path, progress: Progress = quiet) -> None:
        self.file: Gguf = read_gguf(as_gguf(base, progress))
        kind = self.file.get("tokenizer.ggml.model")
        if kind != "gpt2":
            raise InputError(
                f"{base}: its tokenizer is '{kind}', new tokens are learnt for a byte-level BPE ('gpt2')",
                "train the layer without new vocabulary, or take a base of another family",
            )
        self.tokens: list[str] = list(self.file.need("tokenizer.ggml.tokens"))
        self.inner = self.tokenizer((), ())
        self.ids = {token: number for number, token in enumerate(self.tokens)}

    @cached_property
    def byte_of(self) -> dict[str, int]:
        """The byte that a letter of a token stands for."""
        return {letter: byte for byte, letter in enumerate(byte_letters())}

    def tokenizer(self, tokens: Sequence[str], merges: Sequence[str]) -> Any:
        """A `tokenizers.Tokenizer` of the base with these tokens and merges behind its own; specials in text stay text."""
        from tokenizers import Tokenizer

        spec = LayerSpec(
            base_name="", base_sha256="", rank=1, alpha=1.0, targets=(), tokens=tuple(tokens), merges=tuple(merges)
        )  # fmt: skip
        table = tokenizer_json(self.file, extended(self.file, spec))
        made = Tokenizer.from_str(json.dumps(table))
        made.encode_special_tokens = True
        return made

    def pieces(self, word: str) -> tuple[int, ...]:
        """Ids of the base's tokens of a word in byte letters."""
        return tuple(token.id for token in self.inner.model.tokenize(word))

    def words(self, texts: Iterable[str], apart: "regex.Pattern[str] | None" = None) -> Counter[str]:
        """How often each word stands in the texts, in byte letters; what `apart` matches is left out, as are numbers.

        A word is what the base's pre-tokenizer cuts: merges never cross its borders.
        """
        fragments: Counter[str] = Counter()
        for text in texts:
            if apart is None:
                fragments.update(text.splitlines(keepends=True))
            else:
                fragments.update(
                    part for line in text.splitlines(keepends=True) for part in apart.split(line) if part
                )
        found: Counter[str] = Counter()
        cut = self.inner.pre_tokenizer.pre_tokenize_str
        for fragment, count in fragments.items():
            for word, (start, end) in cut(fragment):
                if not _NUMBER.search(fragment, start, end):
                    found[word] += count
        return found

    def text(self, token: str) -> str:
        """What a token of byte letters says; broken characters become U+FFFD."""
        return bytes(self.byte_of[letter] for letter in token).decode(errors="replace")
