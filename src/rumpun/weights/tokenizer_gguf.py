"""A transformers folder's tokenizer as a GGUF's metadata: byte-level BPE, or a SentencePiece vocabulary with bytes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from rumpun.errors import InputError
from rumpun.weights.gguf_file import ARRAY, Value
from rumpun.weights.gguf_write import strings, text
from rumpun.weights.tokenizer_json import PRE_TOKENIZERS, ignores_merges
from rumpun.weights.tokenizer_spm import BYTE, BYTE_TOKEN, SPACE, UNKNOWN, UNUSED, scores_of_merges
from rumpun.weights.vocabulary import CONTROL, NORMAL, USER_DEFINED

__all__ = ["tokenizer_metadata"]

_UINT32, _INT32, _FLOAT32, _BOOL = 4, 5, 6, 7
_KINDS: Final = {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding"}
_ANOTHER: Final = "name a base whose tokenizer is a byte-level BPE or Gemma's"


def tokenizer_metadata(folder: Path, rows: int) -> dict[str, Value]:
    """Everything under `tokenizer.`, for an embedding of so many rows; rows without a token are named `[PAD…]`.

    Raises:
        InputError: no tokenizer.json, one of a kind that llama.cpp does not cut alike, or more tokens than rows.
    """
    path = folder / "tokenizer.json"
    table = _json(path)
    model, added = table.get("model") or {}, table.get("added_tokens") or []
    if model.get("type") != "BPE":
        raise InputError(f"{path}: a tokenizer of type '{model.get('type')}', expected BPE", _ANOTHER)
    vocabulary = {**model["vocab"], **{row["content"]: row["id"] for row in added}}
    tokens, types = _tokens(path, vocabulary, rows)
    spm = bool(model.get("byte_fallback"))
    for row in added:
        types[row["id"]] = CONTROL if row["special"] else USER_DEFINED
    parts = _spm(path, table, tokens, types) if spm else _byte_level(path, table)
    special = _special(folder, vocabulary)
    made = {"tokenizer.ggml.model": text("llama" if spm else "gpt2")} | parts
    made["tokenizer.ggml.tokens"] = strings(tokens)
    made["tokenizer.ggml.token_type"] = Value(ARRAY, types, _INT32)
    for kind, number in special.items():
        made[f"tokenizer.ggml.{_KINDS.get(kind, kind)}_token_id"] = Value(_UINT32, number)
    made["tokenizer.ggml.add_bos_token"] = Value(_BOOL, _adds_first(table, special.get("bos")))
    template = _template(folder)
    return made if template is None else made | {"tokenizer.chat_template": text(template)}


def _json(path: Path) -> dict[str, Any]:
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read ({error})", "fetch or make the folder again; it needs a tokenizer.json"
        ) from error
    return table if isinstance(table, dict) else {}


def _tokens(path: Path, vocabulary: Mapping[str, int], rows: int) -> tuple[list[str], list[int]]:
    """A token a row, and its type."""
    highest = max(vocabulary.values(), default=-1)
    if highest >= rows or len(set(vocabulary.values())) != len(vocabulary):
        raise InputError(
            f"{path}: tokens up to number {highest:,}, the embedding has {rows:,} rows",
            "tokenizer and weights must be of one model: fetch both again, or resize the embedding",
        )
    tokens, types = [f"[PAD{number}]" for number in range(rows)], [UNUSED] * rows
    for token, number in vocabulary.items():
        tokens[number], types[number] = token, NORMAL
    return tokens, types


def _byte_level(path: Path, table: Mapping[str, Any]) -> dict[str, Value]:
    normalizer = table.get("normalizer")
    if normalizer not in (None, {"type": "NFC"}):  # texts are NFC already where rumpun made them
        raise InputError(f"{path}: normalizer {_short(normalizer)}, which llama.cpp does not know", _ANOTHER)
    cut = _cut(table.get("pre_tokenizer"))
    named = [name for name, pre in PRE_TOKENIZERS.items() if _cut(pre) == cut]
    model = table["model"]
    if not named:
        raise InputError(
            f"{path}: it cuts text by {_short(table.get('pre_tokenizer'))}, for which no name is known here",
            f"{_ANOTHER}; known cuts: {', '.join(PRE_TOKENIZERS)}",
        )
    same = [name for name in named if ignores_merges(name) == bool(model.get("ignore_merges"))]
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    return {
        "tokenizer.ggml.pre": text((same or named)[0]),
        "tokenizer.ggml.merges": strings(merges),
    }


def _cut(pre: Mapping[str, Any] | None) -> tuple[tuple[Any, ...], ...]:
    """A pre-tokenizer without what does not change the pieces."""
    if pre is None:
        return ()
    kind = pre.get("type")
    if kind == "Sequence":
        return tuple(part for one in pre["pretokenizers"] for part in _cut(one))
    if kind == "Split":
        return (("Split", *pre["pattern"].values(), str(pre["behavior"]).lower(), bool(pre.get("invert"))),)
    if kind == "ByteLevel":
        return (("ByteLevel", bool(pre.get("use_regex", True)), bool(pre.get("add_prefix_space"))),)
    return (tuple(pre.values()),)


def _spm(path: Path, table: Mapping[str, Any], tokens: list[str], types: list[int]) -> dict[str, Value]:
    """Types of single bytes and the unknown are set; scores follow the merges."""
    steps = _steps(table.get("normalizer"), "normalizers")
    replaced = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    prefix = {"type": "Prepend", "prepend": SPACE} in steps
    if [step for step in steps if step != {"type": "Prepend", "prepend": SPACE}] != [replaced]:
        raise InputError(
            f"{path}: normalizer {_short(table.get('normalizer'))}, expected ' ' replaced by '{SPACE}'",
            _ANOTHER,
        )
    for number, token in enumerate(tokens):
        if BYTE_TOKEN.fullmatch(token) and types[number] == NORMAL:
            types[number] = BYTE
        elif token == table["model"].get("unk_token"):
            types[number] = UNKNOWN
    merges = [merge.split(" ") if isinstance(merge, str) else merge for merge in table["model"]["merges"]]
    scores = scores_of_merges(path, tokens, merges, types)
    for number, token in enumerate(tokens):
        if types[number] == USER_DEFINED:  # llama.cpp looks for these in the text as it stands
            tokens[number] = token.replace(SPACE, " ")
    return {
        "tokenizer.ggml.pre": text("default"),
        "tokenizer.ggml.scores": Value(ARRAY, scores, _FLOAT32),
        "tokenizer.ggml.add_space_prefix": Value(_BOOL, prefix),
    }


def _steps(part: Mapping[str, Any] | None, inside: str) -> list[Any]:
    if part is None:
        return []
    return list(part[inside]) if part.get("type") == "Sequence" else [part]


def _special(folder: Path, vocabulary: Mapping[str, int]) -> dict[str, int]:
    """`bos`, `eos`, `unk`, `pad` and `eot` -> number, from tokenizer_config.json, config.json and generation_config.json."""
    config = _json(folder / "tokenizer_config.json") if (folder / "tokenizer_config.json").is_file() else {}
    found: dict[str, int] = {}
    for kind in _KINDS:
        token = config.get(f"{kind}_token")
        token = token.get("content") if isinstance(token, dict) else token
        if isinstance(token, str) and token in vocabulary:
            found[kind] = vocabulary[token]
    ends: list[int] = []
    for name in ("config.json", "generation_config.json"):
        table = _json(folder / name) if (folder / name).is_file() else {}
        for kind in ("bos", "eos", "pad"):
            given = table.get(f"{kind}_token_id")
            numbers = [one for one in (given if isinstance(given, list) else [given]) if isinstance(one, int)]
            ends += numbers if kind == "eos" else []
            if numbers:
                found.setdefault(kind, numbers[0])
    others = [number for number in ends if number != found.get("eos")]
    return found | ({"eot": others[0]} if others else {})


def _adds_first(table: Mapping[str, Any], bos: int | None) -> bool:
    """Whether the tokenizer itself sets the first token before a text."""
    for step in _steps(table.get("post_processor"), "processors"):
        if step.get("type") != "TemplateProcessing" or not step.get("single"):
            continue
        first = step["single"][0].get("SpecialToken")
        if first is not None:
            return bos in step["special_tokens"][first["id"]]["ids"]
    return False


def _template(folder: Path) -> str | None:
    """The chat template: a file of its own, or in tokenizer_config.json."""
    own = folder / "chat_template.jinja"
    if own.is_file():
        return own.read_text(encoding="utf-8")
    path = folder / "tokenizer_config.json"
    given = _json(path).get("chat_template") if path.is_file() else None
    if isinstance(given, list):
        given = next((row["template"] for row in given if row.get("name") == "default"), None)
    return given if isinstance(given, str) else None


def _short(value: Any) -> str:
    shown = json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= 120 else shown[:119] + "…"
