"""Private sources: rows that never leave the machine they lie on, and what may be said of them elsewhere.

A private source is called `private-…`; its rows carry that name and no other, so whatever was made of them names it among its
sources. What leaves is a manifest that keeps hashes, counts, licences and languages (`redacted`). It is made from a list of what may stay:
a key or a word that is not on the list is left out and counted, never passed on.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from rumpun.errors import InputError
from rumpun.records.artefacts import Manifest

__all__ = ["PREFIX", "is_private", "must_stay", "private_name", "redacted"]

PREFIX = "private-"
_NAME = re.compile(r"private-[a-z0-9]{1,12}")
_AFAR = (
    "layer",
    "model",
    "gguf",
    "evaluation",
    "repeats",
    "base",
)  # made of numbers: they never saw where rows lie
_MARK = "redacted"  # key of a summary: how many entries were left out

# keys of parameters and summaries that code defines and rows cannot fill, whose numbers may leave
_KEYS = frozenset((
    # counts
    "documents", "bytes", "rows", "train", "held_out", "heldout", "dropped", "read", "parts", "files", "languages", "chat",
    "reports", "size_bytes", "documents_max", "draws", "weight", "share", "available", "taken", "epochs", "unit",
    # training
    "steps", "tokens", "tokens_asked", "tokens_by_source", "epochs_by_source", "long_conversations_cut", "seconds", "rank", "alpha",
    "targets", "embeddings_rank", "embeddings_learning_rate", "added_tokens", "trained_parameters", "precision", "peak_memory_bytes",
    "loss", "first", "last", "begun_from", "layer", "base", "seed", "sequence_tokens", "batch_sequences", "micro_tokens",
    "learning_rate", "warmup_share", "decay_share", "weight_decay", "beta2", "gradient_clip", "chat_share", "language_weights",
    "balance", "epochs_max", "checkpoint_seconds",
    # measuring
    "model", "against", "difference", "parent", "from_parent", "forgetting", "private", "asked", "prefix_tokens", "continued_tokens",
    "repeated", "matched_share", "longest", "rows_max",
))  # fmt: skip
_WORDS = frozenset((
    "base", "tiny", "auto", "bfloat16", "float32", "bytes", "tokens", "natural", "temperature", "unimax", "ratios",
    "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "chat",
))  # fmt: skip
_HASH = re.compile(r"[0-9a-f]{32}|[0-9a-f]{64}")


def private_name(name: str) -> bool:
    """Whether a source may stand for private rows: a name that tells nothing."""
    return _NAME.fullmatch(name) is not None


def is_private(manifest: Manifest) -> bool:
    """Whether private rows stand behind an artefact."""
    return any(source.name.startswith(PREFIX) for source in manifest.sources)


def must_stay(manifest: Manifest, where: str) -> None:
    """Refuse to copy away a manifest that may say more of private rows than their counts.

    Raises:
        InputError: private rows stand behind it, and it was not redacted.
    """
    if is_private(manifest) and manifest.kind not in _AFAR and _MARK not in manifest.summary:
        raise InputError(
            f"{where}: private rows stand behind it, and its lineage may name their files",
            "pack what may leave: rumpun layer return LAYER --out FILE.tar",
        )


def redacted(manifest: Manifest) -> Manifest:
    """The manifest as it may leave: hashes, counts, licences, languages; no file names, addresses, samples or free words.

    Public sources and the base keep their names and addresses. The id stays, so that a lineage can be walked.
    """
    kept = {*manifest.languages, *_WORDS, *(source.name for source in manifest.sources)}
    left_out = [0]
    params = _table(manifest.maker.params, kept, left_out)
    summary = _table(manifest.summary, kept, left_out)
    sources = tuple(
        msgspec.structs.replace(source, url="", commit="") if source.name.startswith(PREFIX) else source
        for source in manifest.sources
    )
    maker = msgspec.structs.replace(manifest.maker, params=params)
    return msgspec.structs.replace(
        manifest,
        name=manifest.kind,
        maker=maker,
        sources=sources,
        files=(),
        summary=summary | {_MARK: left_out[0]},
    )


def _table(table: Mapping[str, Any], kept: set[str], left_out: list[int]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in table.items():
        if key not in _KEYS and key not in kept:
            left_out[0] += 1
            continue
        item = _value(value, kept, left_out)
        if item is not None or value is None:
            found[key] = item
    return found


def _value(value: Any, kept: set[str], left_out: list[int]) -> Any:
    """The value without what may not leave; None where nothing of it may."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str) and (value in kept or _HASH.fullmatch(value)):
        return value
    if isinstance(value, Mapping):
        return _table(value, kept, left_out)
    if isinstance(value, list | tuple):
        return [item for item in (_value(one, kept, left_out) for one in value) if item is not None]
    left_out[0] += 1
    return None
