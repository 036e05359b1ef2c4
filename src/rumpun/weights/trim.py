"""A GGUF with fewer tokens: rows gathered as they lie, tokenizer and special ids made to fit, with numpy alone.

Every GGML block format stays inside one row, so a kept row is copied byte for byte and its logit does not change. A
byte-level BPE, and a SentencePiece vocabulary with scores, builds each piece of a text by the same joins wherever it
stands; so where every kept token keeps the tokens that it is built from (`closed`), a text whose pieces are all kept is
cut exactly as before.
"""

import functools
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from rumpun.errors import InputError
from rumpun.steps import Progress, quiet
from rumpun.weights.gguf_file import ARRAY, Gguf, Value, read_gguf
from rumpun.weights.gguf_write import NewTensor, file_size, strings, text, write_gguf
from rumpun.weights.quantise import Bytes
from rumpun.weights.tokenizer_spm import BYTE, BYTE_TOKEN, SPACE, UNKNOWN
from rumpun.weights.vocabulary import CONTROL, NORMAL

__all__ = [
    "Pieces",
    "byte_letters",
    "closed",
    "read_pieces",
    "trim",
    "trimmed_size",
    "write_vocabulary",
]

_TOKENS: Final = "tokenizer.ggml.tokens"
_MERGES: Final = "tokenizer.ggml.merges"
_SCORES: Final = "tokenizer.ggml.scores"
_TYPES: Final = "tokenizer.ggml.token_type"
# a whole tokenizer.json inside the file would speak of tokens that are gone
_STALE: Final = "tokenizer.huggingface.json"
# tensors with one row a token
_ROWS: Final = ("token_embd.weight", "output.weight", "output.bias", "per_layer_token_embd.weight")


@dataclass(frozen=True, slots=True)
class Pieces:
    """The tokens of a byte-level BPE or of a SentencePiece vocabulary; a token's id is its place."""

    tokens: list[
        str
    ]  # as the file spells them: a normal token in GPT-2's letters for bytes, or with ▁ for spaces
    types: list[int]  # llama.cpp's
    contents: list[bytes]  # the bytes of text that each token stands for
    merges: list[str]  # "left right", the first to be applied first; none where scores tell
    named: frozenset[int]  # ids that the metadata name: end of text, padding …
    # of a SentencePiece vocabulary: the two neighbours whose sum has the highest are joined first
    scores: Sequence[float] = ()

    @property
    def special(self) -> frozenset[int]:
        """Ids that no text may lose: control tokens, the unknown one, single bytes, and those that the metadata name."""
        return self.named | {
            number
            for number, (kind, content) in enumerate(zip(self.types, self.contents, strict=True))
            if kind in (CONTROL, BYTE, UNKNOWN) or (kind == NORMAL and len(content) == 1)
        }


@functools.cache
def byte_letters() -> Mapping[str, int]:
    """The letter that stands for each byte in a byte-level BPE -> the byte (GPT-2's table)."""
    kept = {*range(33, 127), *range(161, 173), *range(174, 256)}
    other = iter(range(256, 512))
    return {chr(byte if byte in kept else next(other)): byte for byte in range(256)}


def read_pieces(file: Gguf) -> Pieces:
    """The tokenizer in a GGUF's metadata.

    Raises:
        InputError: it is of another kind, or its parts do not fit to each other or to the weights.
    """
    model = file.get("tokenizer.ggml.model", "none")
    if model not in ("gpt2", "llama"):
        raise InputError(
            f"{file.path}: tokenizer '{model}' (tokenizer.ggml.model): a byte-level BPE ('gpt2') or a SentencePiece"
            " vocabulary with scores ('llama') can be trimmed",
            "take a base with such a tokenizer (Llama, Gemma, Qwen, SmolLM, Apertus), or leave this one whole",
        )
    tokens: list[str] = file.need(_TOKENS)
    # without types a SentencePiece vocabulary's bytes would be words
    types = file.need(_TYPES) if model == "llama" else file.get(_TYPES, [NORMAL] * len(tokens))
    scores: list[float] = file.need(_SCORES) if model == "llama" else []
    for found, what in ((types, "token types"), *([(scores, "scores")] if model == "llama" else [])):
        if len(found) != len(tokens):
            raise InputError(
                f"{file.path}: {len(tokens)} tokens and {len(found)} {what}", "use another GGUF of the model"
            )
    content = _spelt if model == "llama" else _content
    for name in _ROWS:
        if name in file.tensors and file.tensors[name].shape[0] != len(tokens):
            raise InputError(
                f"{file.path}: {name} has {file.tensors[name].shape[0]:,} rows for {len(tokens):,} tokens",
                "use another GGUF of the model",
            )
    return Pieces(
        tokens,
        [int(kind) for kind in types],
        [content(token, int(kind)) for token, kind in zip(tokens, types, strict=True)],
        file.need(_MERGES) if model == "gpt2" else [],
        frozenset(number for key, value in file.metadata.items() for number in _ids(key, value)
                  if 0 <= number < len(tokens)),
        scores,
    )  # fmt: skip


def _content(token: str, kind: int) -> bytes:
    letters = byte_letters()
    if kind == NORMAL and all(letter in letters for letter in token):
        return bytes(letters[letter] for letter in token)
    return token.encode("utf-8", "surrogateescape")


def _spelt(token: str, kind: int) -> bytes:
    if kind == BYTE and BYTE_TOKEN.fullmatch(token):
        return bytes([int(token[1:-1], 16)])  # <0x0A>
    return (token.replace(SPACE, " ") if kind == NORMAL else token).encode("utf-8", "surrogateescape")


def _ids(key: str, value: Value) -> list[int]:
    """Token ids in a metadata value: `tokenizer.ggml.eos_token_id` and its like, one or a list."""
    if key.startswith("tokenizer.") and key.endswith("_token_id") and isinstance(value.value, int):
        return [value.value]
    if key.startswith("tokenizer.") and key.endswith("_token_ids") and isinstance(value.value, list):
        return value.value
    return []


def closed(pieces: Pieces, wanted: Iterable[int]) -> list[int]:
    """The wanted ids and those of every token that they are built from, ascending."""
    if pieces.scores:
        return _closed_by_scores(pieces, set(wanted))
    number = {token: place for place, token in enumerate(pieces.tokens)}
    ways: dict[str, list[str]] = {}
    for merge in pieces.merges:
        ways.setdefault(merge.replace(" ", ""), []).append(merge)
    ranks: dict[str, int] = {}
    if len(ways) < len(
        pieces.merges
    ):  # some token is built in more ways than one: which, only the order tells
        ranks = {merge: rank for rank, merge in enumerate(pieces.merges)}
    found = set(wanted)
    todo = [pieces.tokens[place] for place in found if pieces.types[place] == NORMAL]
    while todo:
        token = todo.pop()
        found_ways = ways.get(token, ())
        last = found_ways[0] if len(found_ways) == 1 else _last_merge(token, ranks)
        for half in last.split(" ") if last else ():
            place = number.get(half)
            if place is not None and place not in found:
                found.add(place)
                todo.append(half)
    return sorted(found)


def _last_merge(token: str, ranks: Mapping[str, int]) -> str:
    """The merge that completes a token when its letters are merged alone; "" where they never become it."""
    parts = list(token)
    while len(parts) > 1:
        pairs = [f"{left} {right}" for left, right in itertools.pairwise(parts)]
        best = min(pairs, key=lambda pair: ranks.get(pair, len(ranks)))
        if best not in ranks:
            return ""
        if len(parts) == 2:
            return best
        merged: list[str] = []
        for part in parts:  # every place of the pair, from the left
            if merged and f"{merged[-1]} {part}" == best:
                merged[-1] += part
            else:
                merged.append(part)
        parts = merged
    return ""


def _closed_by_scores(pieces: Pieces, wanted: set[int]) -> list[int]:
    """As `closed`: what a token's own letters are joined to on the way to it, the highest score first."""
    number = {token: place for place, token in enumerate(pieces.tokens)}
    found = set(wanted)
    for place in wanted:
        if pieces.types[place] != BYTE:  # llama.cpp joins letters to a token of any kind
            found |= _joined(pieces.tokens[place], number, pieces.scores)
    return sorted(found)


def _joined(token: str, number: Mapping[str, int], scores: Sequence[float]) -> set[int]:
    """Ids that a token's letters are joined to, itself among them; none where they never become it."""
    parts, made = list(token), set[int]()
    while len(parts) > 1:
        sums = [number.get(left + right) for left, right in itertools.pairwise(parts)]
        known = [(-scores[place], at) for at, place in enumerate(sums) if place is not None]
        if not known:
            return set()
        at = min(known)[1]  # of equal ones the leftmost, as llama.cpp's queue
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
        made.add(number[parts[at]])
    return made


def trim(
    source: Path,
    kept: Sequence[int],
    target: Path,
    *,
    metadata: Mapping[str, str | list[str]] | None = None,
    progress: Progress = quiet,
) -> None:
    """Write `target`: the source with only the kept tokens, in their order; everything else byte for byte.

    Args:
        source: a GGUF that `read_pieces` reads, tied or untied, in any quantisation.
        kept: ids, ascending, closed (see `closed`), with all of `Pieces.special`.
        target: takes its name when the file is whole.
        metadata: keys to set, such as `rumpun.trim`; an empty string takes a key away.
        progress: called with (bytes done, bytes in all, tensor).

    Raises:
        InputError: the source is damaged or its tokenizer another.
        EnvironmentFault: the target cannot be written.
    """
    write_gguf(target, *_planned(read_gguf(source), kept, metadata or {}), progress=progress)


def trimmed_size(
    source: Path, kept: Sequence[int], *, metadata: Mapping[str, str | list[str]] | None = None
) -> int:
    """Bytes of the file that `trim` would write from the same arguments."""
    return file_size(*_planned(read_gguf(source), kept, metadata or {}))


def write_vocabulary(source: Path, kept: Sequence[int], target: Path) -> None:
    """Write the trimmed tokenizer alone, without a tensor: llama.cpp opens it to count tokens, not to compute."""
    write_gguf(target, _planned(read_gguf(source), kept, {})[0], (), progress=quiet)


def _planned(
    file: Gguf, kept: Sequence[int], given: Mapping[str, str | list[str]]
) -> tuple[dict[str, Value], list[NewTensor]]:
    pieces = read_pieces(file)
    lost = sorted(pieces.special - set(kept))
    if lost or list(kept) != closed(pieces, kept):
        raise ValueError(f"kept: {len(lost)} special tokens are missing, or it is not ascending and closed")
    whole = _metadata(file, pieces, kept)
    for key, value in given.items():
        whole.pop(key, None)
        if value:
            whole[key] = text(value) if isinstance(value, str) else strings(value)
    rows = np.asarray(kept, np.int64)
    return whole, [_tensor(file, name, rows, len(pieces.tokens)) for name in file.tensors]


def _tensor(file: Gguf, name: str, rows: "np.ndarray[Any, np.dtype[np.int64]]", before: int) -> NewTensor:
    entry = file.entry(name)
    if name not in _ROWS:
        return NewTensor(name, entry.type, entry.shape, entry.size, lambda: file.raw(name))

    def gathered() -> Bytes:
        found: Bytes = file.raw(name).reshape(before, -1)[rows].reshape(-1)
        return found

    shape = (len(rows), *entry.shape[1:])
    size = entry.size * math.prod(shape) // math.prod(entry.shape)
    return NewTensor(name, entry.type, shape, size, gathered)


def _metadata(file: Gguf, pieces: Pieces, kept: Sequence[int]) -> dict[str, Value]:
    now = {before: after for after, before in enumerate(kept)}
    tokens = {pieces.tokens[place] for place in kept}
    whole: dict[str, Value] = {}
    for key, value in file.metadata.items():
        if key == _STALE:
            continue
        whole[key] = value
        if key == _MERGES:
            stay = [m for m in value.value if {*m.split(" "), m.replace(" ", "")} <= tokens]
            whole[key] = Value(ARRAY, stay, value.item_type)
        elif key == f"{file.architecture}.vocab_size":
            whole[key] = Value(value.type, len(kept))
        elif found := _ids(key, value):
            ids = [now.get(number, number) for number in found]  # a number past the end says "none"
            whole[key] = Value(value.type, ids if value.type == ARRAY else ids[0], value.item_type)
        elif (
            key.startswith("tokenizer.ggml.")
            and value.type == ARRAY
            and len(value.value) == len(pieces.tokens)
        ):
            whole[key] = Value(ARRAY, [value.value[place] for place in kept], value.item_type)
    return whole
