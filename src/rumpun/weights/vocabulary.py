"""Added vocabulary: a layer's tokens behind those of a byte-level BPE or of a vocabulary with scores in a GGUF's metadata."""

from rumpun.errors import InputError
from rumpun.weights.gguf_file import ARRAY, Gguf, Value
from rumpun.weights.gguf_write import strings
from rumpun.weights.layer_file import LayerSpec
from rumpun.weights.tokenizer_spm import scores_behind

__all__ = ["CONTROL", "KINDS", "NORMAL", "USER_DEFINED", "check_rows", "extended"]

KINDS = {
    "gpt2": "a byte-level BPE",
    "llama": "a SentencePiece vocabulary",
}  # what takes new tokens, by llama.cpp's names

NORMAL = 1  # llama.cpp's token types
CONTROL = 3
USER_DEFINED = 4
_INT32 = 5
_FLOAT32 = 6


def extended(base: Gguf, spec: LayerSpec) -> dict[str, Value]:
    """The base's metadata with the layer's tokens and merges appended, types kept.

    In a byte-level BPE a token that a merge makes is of type normal; one that no merge makes is found in the text before
    any merging, so its type is user-defined and it is written as plain text. In a vocabulary with scores (SentencePiece's)
    every token is of type normal and has the lowest score so far: the runtime finds its merges by itself.

    Raises:
        InputError: the base's tokenizer is of another kind, or tokens and merges do not fit to it; or the base has more
            tokens than rows.
    """
    check_rows(base)
    metadata = dict(base.metadata)
    if not spec.tokens and not spec.merges:
        return metadata
    model = base.get("tokenizer.ggml.model")
    if model not in KINDS:
        raise InputError(
            f"{base.path}: tokenizer '{model}', the layer adds {len(spec.tokens)} tokens to {' or '.join(KINDS.values())}",
            "use the base that the layer was made for",
        )
    scored = model == "llama"
    tokens = base.need("tokenizer.ggml.tokens")
    merges = [] if scored else base.need("tokenizer.ggml.merges")
    _check(base, spec, set(tokens), set(merges))
    made = {merge.replace(" ", "") for merge in (*merges, *spec.merges)}
    types = base.get("tokenizer.ggml.token_type", [NORMAL] * len(tokens))
    added = [NORMAL if scored or token in made else USER_DEFINED for token in spec.tokens]
    metadata["tokenizer.ggml.tokens"] = strings([*tokens, *spec.tokens])
    metadata["tokenizer.ggml.token_type"] = Value(ARRAY, [*types, *added], _INT32)
    if not scored:
        metadata["tokenizer.ggml.merges"] = strings([*merges, *spec.merges])
    scores = base.need("tokenizer.ggml.scores") if scored else base.get("tokenizer.ggml.scores")
    if scores is not None:
        new = scores_behind(scores, types, len(added)) if scored else [0.0] * len(added)
        metadata["tokenizer.ggml.scores"] = Value(ARRAY, [*scores, *new], _FLOAT32)
    size = base.metadata.get(f"{base.architecture}.vocab_size")
    if size is not None:
        metadata[f"{base.architecture}.vocab_size"] = Value(size.type, size.value + len(added))
    return metadata


def check_rows(base: Gguf) -> None:
    """Refuse a file with tokens that have no row in the embedding.

    Raises:
        InputError: there is one.
    """
    tokens, table = base.get("tokenizer.ggml.tokens", ()), base.tensors.get("token_embd.weight")
    if table is not None and len(tokens) > table.shape[0]:
        raise InputError(
            f"{base.path}: tokens up to number {len(tokens) - 1:,}, the embedding has {table.shape[0]:,} rows",
            "tokenizer and weights must be of one model: fetch or make the file again",
        )


def _check(base: Gguf, spec: LayerSpec, tokens: set[str], merges: set[str]) -> None:
    known = tokens | set(spec.tokens)
    faults = [
        (f"the token '{token}' stands in the base already" for token in spec.tokens if token in tokens),
        (f"the merge '{merge}' stands in the base already" for merge in spec.merges if merge in merges),
        (
            f"the merge '{merge}' makes or uses a token that is not in the vocabulary"
            for merge in spec.merges
            if not {*merge.split(" "), merge.replace(" ", "")} <= known
        ),
    ]
    for found in faults:
        for words in found:
            raise InputError(f"{base.path}: {words}", "make the layer's vocabulary again for this base")
