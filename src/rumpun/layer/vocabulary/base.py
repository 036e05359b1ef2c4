"""A base's tokenizer as learning sees it: how it cuts text, which pieces it makes, and the same with new tokens."""

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
from rumpun.weights.tokenizer_spm import SPACE
from rumpun.weights.vocabulary import KINDS, NORMAL, extended

__all__ = ["OTHER_SCRIPT", "BaseTokenizer", "byte_letters"]

OTHER_SCRIPT = regex.compile(r"[^\p{Latin}\p{Common}\p{Inherited}]")
_NUMBER = regex.compile(r"\p{N}")
_WORD = regex.compile(rf"{SPACE}?[\p{{L}}\p{{M}}]+")


def byte_letters() -> list[str]:
    """The letter that stands for each byte in a byte-level BPE (GPT-2's table)."""
    kept = {*range(33, 127), *range(161, 173), *range(174, 256)}
    other = iter(range(256, 512))
    return [chr(byte) if byte in kept else chr(next(other)) for byte in range(256)]


class BaseTokenizer:
    """The tokenizer of a base, alone or with a layer's tokens and merges.

    Args:
        base: a GGUF, or a folder of transformers weights, with a byte-level BPE or a SentencePiece vocabulary.
        progress: of a folder that is first written as a GGUF, once.

    Raises:
        InputError: the base cannot be read, or its tokenizer is another one.
    """

    def __init__(self, base: Path, progress: Progress = quiet) -> None:
        self.file: Gguf = read_gguf(as_gguf(base, progress))
        kind = self.file.get("tokenizer.ggml.model")
        if kind not in KINDS:
            raise InputError(
                f"{base}: its tokenizer is '{kind}', new tokens are learnt for {' or '.join(KINDS.values())}",
                "train the layer without new vocabulary, or take a base of another family",
            )
        self.scored: bool = (
            kind == "llama"
        )  # tokens are plain text with a sign for a space, not letters for bytes
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

    @cached_property
    def joined(self) -> list[str]:
        """Tokens that joining makes and uses: those of type normal."""
        types = self.file.get("tokenizer.ggml.token_type", [NORMAL] * len(self.tokens))
        return [token for token, kind in zip(self.tokens, types, strict=True) if kind == NORMAL]

    def pieces(self, word: str) -> tuple[int, ...]:
        """Ids of the base's tokens of a word, written as tokens are."""
        return tuple(token.id for token in self.inner.model.tokenize(word))

    def words(self, texts: Iterable[str], apart: "regex.Pattern[str] | None" = None) -> Counter[str]:
        """How often each word stands in the texts, as tokens are written; what `apart` matches is left out, as are numbers.

        A word is what the base's pre-tokenizer cuts: merges never cross its borders. Where the base has none, it is
        letters and marks with the space before them.
        """
        if self.scored:
            return Counter(word for text in texts for word in _WORD.findall(text.replace(" ", SPACE)))
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
        """What a token says; broken characters become U+FFFD."""
        if self.scored:
            return token.replace(SPACE, " ")
        return bytes(self.byte_of[letter] for letter in token).decode(errors="replace")
