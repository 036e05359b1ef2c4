"""A tokenizer from a GGUF's metadata as the `tokenizer.json` of the tokenizers library.

How text is cut before merging is named in `tokenizer.ggml.pre`; the table here holds the cuts that are proven by tests
to give llama.cpp's own tokens. (llama-vocab.cpp, `llm_tokenizer_bpe`.)
"""

from collections.abc import Mapping
from typing import Any, Final

from rumpun.errors import InputError, nearest
from rumpun.weights.gguf_file import Gguf, Value
from rumpun.weights.tokenizer_spm import UNUSED, model_parts
from rumpun.weights.vocabulary import CONTROL, NORMAL, USER_DEFINED

__all__ = [
    "PRE_TOKENIZERS",
    "TRUER_CUTS",
    "ignores_merges",
    "special_tokens",
    "tokenizer_config",
    "tokenizer_json",
]

_DIGITS: Final = {"type": "Digits", "individual_digits": True}
_LLAMA3: Final = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_QWEN2: Final = _LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
_UPPER, _LOWER = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}", r"\p{Ll}\p{Lm}\p{Lo}\p{M}"
_TEKKEN: Final = (
    rf"[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]*[{_LOWER}]+|[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]+[{_LOWER}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def _byte_level(*, use_regex: bool) -> dict[str, Any]:
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": use_regex}


_GPT2: Final = _byte_level(use_regex=True)
_ONE_DIGIT: Final = {"type": "Sequence", "pretokenizers": [_DIGITS, _GPT2]}


def _split(pattern: str) -> dict[str, Any]:
    cut = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    return {"type": "Sequence", "pretokenizers": [cut, _byte_level(use_regex=False)]}


PRE_TOKENIZERS: Final[Mapping[str, dict[str, Any]]] = {
    "smollm": _ONE_DIGIT,
    "starcoder": _ONE_DIGIT,
    "gpt-2": _GPT2,
    "olmo": _GPT2,
    "llama-bpe": _split(_LLAMA3),
    "smaug-bpe": _split(_LLAMA3),
    "qwen2": _split(_QWEN2),
    # Apertus's cut: llama.cpp's own "tekken" leaves marks out of words, its "youtu" keeps them in
    "youtu": _split(_TEKKEN),
    "tekken": _split(_TEKKEN),
}
# cut in published files -> architecture -> the cut that gives the tokens which that family was trained with
TRUER_CUTS: Final[Mapping[str, Mapping[str, str]]] = {"tekken": {"apertus": "youtu"}}
_IGNORE_MERGES: Final = ("llama-bpe", "youtu", "tekken")  # a piece that is a token is taken whole
_PLAIN: Final = "gpt-2"  # where a file names none
_KINDS: Final = {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding"}


def ignores_merges(cut: str) -> bool:
    """Whether a piece that is a token itself is taken whole, by the name of the cut."""
    return cut in _IGNORE_MERGES


def tokenizer_json(file: Gguf, metadata: Mapping[str, Value]) -> dict[str, Any]:
    """The whole `tokenizer.json`; `metadata` is the file's own or with a layer's vocabulary.

    Raises:
        InputError: another kind of tokenizer, or a cut that this version does not know.
    """
    if _get(metadata, "tokenizer.ggml.model", "none") == "llama":
        return _sentencepiece(file, metadata)
    tokens, merges, types = _parts(file, metadata)
    cut = _get(metadata, "tokenizer.ggml.pre", _PLAIN)
    if cut not in PRE_TOKENIZERS:
        raise InputError(
            f"{file.path}: pre-tokenizer '{cut}' (tokenizer.ggml.pre) has no counterpart in transformers here",
            nearest(str(cut), list(PRE_TOKENIZERS)) + "; or start from the model's own transformers folder",
        )
    vocabulary = {token: number for number, token in enumerate(tokens)}
    if len(vocabulary) != len(tokens):
        raise InputError(
            f"{file.path}: {len(tokens) - len(vocabulary)} tokens stand twice",
            "use another GGUF of the model",
        )
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": _added(tokens, types),
        "normalizer": None,
        "pre_tokenizer": PRE_TOKENIZERS[cut],
        "post_processor": _post_processor(metadata, tokens),
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": cut in _IGNORE_MERGES,
            "vocab": {token: number for token, number in vocabulary.items() if types[number] != UNUSED},
            "merges": [merge.split(" ") for merge in merges],
        },
    }


def _sentencepiece(file: Gguf, metadata: Mapping[str, Value]) -> dict[str, Any]:
    """The whole `tokenizer.json` of a vocabulary with scores."""
    for name in ("tokens", "scores", "token_type"):
        file.need(f"tokenizer.ggml.{name}")
    tokens, scores, types = (
        metadata[f"tokenizer.ggml.{name}"].value for name in ("tokens", "scores", "token_type")
    )
    unknown = special_tokens(metadata).get("unk")
    parts = model_parts(
        tokens, scores, types, None if unknown is None else tokens[unknown],
        space_first=bool(_get(metadata, "tokenizer.ggml.add_space_prefix", default=True)),
    )  # fmt: skip
    whole = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": _added(tokens, types)}
    return whole | parts | {"post_processor": _post_processor(metadata, tokens)}


def _added(tokens: list[str], types: list[int]) -> list[dict[str, Any]]:
    """Tokens that are found in a text before it is cut."""
    return [
        {"id": number, "content": token, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": types[number] == CONTROL}
        for number, token in enumerate(tokens)
        if types[number] in (CONTROL, USER_DEFINED)
    ]  # fmt: skip


def special_tokens(metadata: Mapping[str, Value]) -> dict[str, int]:
    """`bos`, `eos`, `unk`, `pad` and `eot` -> token number, where the file names them."""
    named = {short: f"tokenizer.ggml.{long}_token_id" for short, long in (_KINDS | {"eot": "eot"}).items()}
    return {short: int(metadata[key].value) for short, key in named.items() if key in metadata}


def tokenizer_config(
    metadata: Mapping[str, Value], context_tokens: int, chat_template: str | None
) -> dict[str, Any]:
    """The whole `tokenizer_config.json`."""
    tokens = metadata["tokenizer.ggml.tokens"].value
    special = special_tokens(metadata)
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": context_tokens,
        "clean_up_tokenization_spaces": False,
        "add_prefix_space": False,
        "model_input_names": ["input_ids", "attention_mask"],
    }
    config |= {f"{kind}_token": tokens[special[kind]] for kind in _KINDS if kind in special}
    return config | ({} if chat_template is None else {"chat_template": chat_template})


def _parts(file: Gguf, metadata: Mapping[str, Value]) -> tuple[list[str], list[str], list[int]]:
    model = _get(metadata, "tokenizer.ggml.model", "none")
    if model != "gpt2":
        raise InputError(
            f"{file.path}: tokenizer '{model}' (tokenizer.ggml.model), expected a byte-level BPE ('gpt2') or 'llama'",
            "start from the model's own transformers folder",
        )
    file.need("tokenizer.ggml.tokens"), file.need("tokenizer.ggml.merges")
    tokens = metadata["tokenizer.ggml.tokens"].value
    types = _get(metadata, "tokenizer.ggml.token_type", [NORMAL] * len(tokens))
    if len(types) != len(tokens):
        raise InputError(
            f"{file.path}: {len(tokens)} tokens and {len(types)} token types", "use another GGUF of the model"
        )
    return tokens, metadata["tokenizer.ggml.merges"].value, types


def _post_processor(metadata: Mapping[str, Value], tokens: list[str]) -> dict[str, Any] | None:
    """What stands before each text; None where the model wants nothing there."""
    bos = special_tokens(metadata).get("bos")
    if bos is None or not _get(metadata, "tokenizer.ggml.add_bos_token", default=False):
        return None
    first = {"SpecialToken": {"id": tokens[bos], "type_id": 0}}
    return {
        "type": "TemplateProcessing",
        "single": [first, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [first, {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {tokens[bos]: {"id": tokens[bos], "ids": [bos], "tokens": [tokens[bos]]}},
    }


def _get(metadata: Mapping[str, Value], key: str, default: Any) -> Any:
    found = metadata.get(key)
    return default if found is None else found.value
