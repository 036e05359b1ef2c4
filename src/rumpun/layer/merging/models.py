"""Models -> one transformers folder, a tensor at a time.

In memory at once: the parents' versions of one tensor in float32, the base's, and at most three arrays of that size for the
method; nothing of a shard but the tensor that is being written.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rumpun.errors import InputError
from rumpun.layer.merging.methods import merge_tensor
from rumpun.layer.merging.params import MergeSettings, Precision, check_count
from rumpun.layer.merging.parents import INPUT, OUTPUT, Parent, check_alike
from rumpun.layer.merging.shards import NewShards
from rumpun.layer.merging.vocabulary import Vocabulary, special_clashes, union, unreached
from rumpun.steps import Progress, quiet
from rumpun.weights.gguf_write import whole_file
from rumpun.weights.quantise import Float

__all__ = ["SHARD_BYTES", "merge_models"]

SHARD_BYTES: Final = 5_000_000_000
_TYPES: Final[Mapping[str, str]] = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
_OF_ONE_VOCABULARY: Final = ("vocab.json", "merges.txt", "added_tokens.json", "tokenizer.model")
_WRITTEN: Final = ("config.json", "manifest.json", "model.safetensors.index.json", "chat_template.jinja")
_LEAST: Final = 1e-9  # what a parent of weight 0 counts in rows that it alone has


def merge_models(
    parents: Sequence[Parent],
    base: Parent | None,
    settings: MergeSettings,
    folder: Path,
    *,
    precision: Precision = "same",
    shard_bytes: int = SHARD_BYTES,
    seed: int = 0,
    progress: Progress = quiet,
) -> dict[str, Any]:
    """Write config.json, weights, tokenizer and what belongs to them into `folder`; config.json last.

    What is no weight (config, tokenizer's settings) comes from the base, or from the first parent without one; the chat
    template from the first parent that has one. Rows of tokens follow the tokens: see `_Rows`.

    Args:
        parents: models to merge, in the weights' order.
        base: what differences are taken from; for the methods that need one.
        settings: what is asked.
        folder: empty, or not there yet.
        precision: "same" keeps the type that all inputs share, else float32.
        shard_bytes: of one file at most.
        seed: of DARE.
        progress: called with (bytes done, bytes in all, tensor).

    Returns:
        What was merged, added, and decided where parents disagree.

    Raises:
        UsageError: the settings do not fit to these parents.
        InputError: the parents do not fit together, or one is damaged.
        EnvironmentFault: the folder cannot be written.
    """
    check_count(settings, parents, based=base is not None)
    all_ = [*([base] if base else []), *parents]
    check_alike(all_)
    rows = _rows(all_, parents, base, settings, seed)
    plan = _Plan(all_, parents, base, settings, rows, seed)
    kinds = {name: _kind(all_, name, precision) for name in plan.names}
    tensors = [(name, plan.shape(name), kinds[name]) for name in plan.names]
    new = NewShards(tensors, shard_bytes)
    folder.mkdir(parents=True, exist_ok=True)
    new.write(folder, plan.tensor, progress)
    used = sorted(set(kinds.values()))
    return {
        "method": settings.method,
        "parents": [parent.name for parent in parents],
        "base": base.name if base else None,
        "tensors": len(tensors),
        "bytes": new.total,
        "files": len(new.names()),
        "precision": _shown(used),
        **_write_rest(folder, plan, used),
    }


def _kind(all_: Sequence[Parent], name: str, precision: Precision) -> str:
    if precision != "same":
        return _TYPES[precision]
    found = {parent.shards.entries[_source(parent, name)].type for parent in all_}
    changed = any(parent.products for parent in all_)
    return found.pop() if len(found) == 1 and not changed and found <= set(_TYPES.values()) else "F32"


def _source(parent: Parent, name: str) -> str:
    """Where a parent has this tensor: a tied output is the table of inputs."""
    if name.endswith(OUTPUT) and parent.tied:
        return next(n for n in parent.names() if n.endswith(INPUT))
    return name


@dataclass(frozen=True, slots=True)
class _Plan:
    """Which tensors are written and how each is made."""

    all_: Sequence[Parent]
    parents: Sequence[Parent]
    base: Parent | None
    settings: MergeSettings
    rows: "_Rows | None"
    seed: int

    @property
    def names(self) -> list[str]:
        names = self.all_[0].names()
        if self.all_[0].tied and not all(parent.tied for parent in self.all_):
            names.append(next(n for p in self.all_ for n in p.names() if n.endswith(OUTPUT)))
        return names

    def shape(self, name: str) -> tuple[int, ...]:
        shape = self.all_[0].shape(_source(self.all_[0], name))
        return (self.rows.joined.size, *shape[1:]) if self.rows and _by_token(name) else shape

    def tensor(self, name: str) -> Float:
        if self.rows and _by_token(name):
            return self.rows.tensor(name)
        base = self.base.tensor(_source(self.base, name)) if self.base else None
        versions = (parent.tensor(_source(parent, name)) for parent in self.parents)
        return merge_tensor(self.settings, name, versions, base, seed=self.seed)


def _by_token(name: str) -> bool:
    return name.endswith((INPUT, OUTPUT))


def _rows(
    all_: Sequence[Parent], parents: Sequence[Parent], base: Parent | None, settings: MergeSettings, seed: int
) -> "_Rows | None":
    """How rows of tokens are put together; None where every parent has the same ones."""
    known = [parent.vocabulary for parent in all_ if parent.vocabulary is not None]
    if len(known) < len(all_):
        return None  # check_alike saw equal shapes
    joined = union(known)
    first = next(name for name in all_[0].names() if name.endswith(INPUT))
    heights = {parent.shape(first)[0] for parent in all_}
    if len(heights) == 1 and all(known[0].same_as(other) for other in known[1:]):
        return None
    return _Rows(joined, parents, base, settings, seed)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of the union's tokens.

    A parent that lacks a token says nothing of it. Where the base has the token, that parent's difference is zero; where
    there is no base (linear, slerp), the method runs over the tokens that all parents have. A token that the base, or some
    parent, lacks takes the mean of the rows of those who have it, by the size of their weights: what one parent alone
    knows is kept as it is. Rows that stand for no token (a table filled up to a round size) are left out, but for those that
    added tokens stand behind: they are the first parent's.
    """

    joined: Vocabulary
    parents: Sequence[Parent]
    base: Parent | None
    settings: MergeSettings
    seed: int

    def tensor(self, name: str) -> Float:
        places = [self._places(parent) for parent in self.parents]
        if self.base:
            base_places = self._places(self.base)
            voted = np.flatnonzero(base_places >= 0)
        else:
            voted = np.flatnonzero(np.all([p >= 0 for p in places], axis=0))
        rest = np.setdiff1d(np.arange(self.joined.size), voted)
        spare = np.setdiff1d(rest, list(self.joined.numbers.values()))
        fillers: Float | None = None
        base_rows = self._read(self.base, name)[base_places[voted]] if self.base else None
        sums: Float | None = None
        shares = np.zeros(len(rest))
        weights = self.settings.weights(len(self.parents))

        def versions() -> Iterator[Float]:
            nonlocal sums, fillers
            for parent, place, weight in zip(self.parents, places, weights, strict=True):
                table = self._read(parent, name)
                fillers = table[spare[spare < len(table)]] if fillers is None else fillers
                sums = np.zeros((len(rest), table.shape[1]), np.float32) if sums is None else sums
                has = place[rest] >= 0
                share = max(abs(weight), _LEAST)
                sums[has] += np.float32(share) * table[place[rest][has]]
                shares[has] += share
                mine = table[np.maximum(place[voted], 0)]
                if base_rows is not None:
                    lacks = place[voted] < 0
                    mine[lacks] = base_rows[lacks]
                del table
                yield mine

        merged = merge_tensor(self.settings, name, versions(), base_rows, seed=self.seed)
        if sums is None:
            raise ValueError("nothing to merge")
        out = np.zeros((self.joined.size, merged.shape[1]), np.float32)
        out[voted] = merged
        if fillers is not None:
            out[spare[: len(fillers)]] = fillers
        known = shares > 0
        out[rest[known]] = sums[known] / shares[known, None].astype(np.float32)
        return out

    def _read(self, parent: Parent, name: str) -> Float:
        table = parent.tensor(_source(parent, name))
        if parent.vocabulary is not None and len(table) < parent.vocabulary.size:
            raise InputError(
                f"{parent.name}: {parent.vocabulary.size} tokens in its tokenizer, {len(table)} rows in {name}",
                "use the tokenizer that the model was made with",
            )
        return table

    def _places(self, parent: Parent) -> npt.NDArray[np.int64]:
        """[union] this parent's row of each token; -1: it has none."""
        found = np.full(self.joined.size, -1, np.int64)
        if parent.vocabulary is not None:
            for token, number in parent.vocabulary.numbers.items():
                found[self.joined.numbers[token]] = number
        return found


def _write_rest(folder: Path, plan: _Plan, kinds: Sequence[str]) -> dict[str, Any]:
    """Everything but the weights; returns what was decided."""
    main = plan.all_[0]
    joined = plan.rows.joined if plan.rows else main.vocabulary
    grown = main.spec is not None and bool(main.spec.tokens or main.spec.merges)
    own = joined is None or (not grown and main.vocabulary is not None and joined.same_as(main.vocabulary))
    for path in sorted(main.folder.iterdir()):
        left = path.name in _WRITTEN or path.suffix not in (".json", ".jinja", ".txt", ".model")
        if path.is_file() and not left and (own or path.name not in _OF_ONE_VOCABULARY):
            shutil.copyfile(path, folder / path.name)
    if joined is not None and not own:
        _put(folder / "tokenizer.json", joined.whole())
    templates = list(dict.fromkeys(p.template for p in (*plan.parents, main) if p.template))
    known = [parent.vocabulary for parent in plan.all_ if parent.vocabulary is not None]
    if joined is not None:
        _write_tokenizer_config(folder, joined, known, templates[0] if templates else None)
    tied = all(parent.tied for parent in plan.all_)
    config = dict(main.config) | {
        "tie_word_embeddings": tied,
        "dtype": _shown(kinds) if len(kinds) == 1 else "float32",
    }
    config.pop("torch_dtype", None)
    before = main.vocabulary.size if main.vocabulary else 0
    if plan.rows or grown:
        config["vocab_size"] = plan.shape(next(name for name in plan.names if name.endswith(INPUT)))[0]
    clashes = special_clashes(known)
    if len(templates) > 1:
        others = len(templates) - 1
        clashes.append(
            f"chat template: that of the first parent that has one is kept, {others} of others differ"
        )
    _put(folder / "config.json", config)
    return {
        "tied": tied,
        "tokens": joined.size if joined else None,
        "tokens_added": joined.size - before if joined and plan.rows else 0,
        "tokens_unreached": len(unreached(joined)) if joined and plan.rows else 0,
        "clashes": clashes,
    }


def _shown(kinds: Sequence[str]) -> str:
    names = {kind: name for name, kind in _TYPES.items()}
    return names[kinds[0]] if len(kinds) == 1 else "mixed"


def _write_tokenizer_config(
    folder: Path, joined: Vocabulary, known: Sequence[Vocabulary], template: str | None
) -> None:
    path = folder / "tokenizer_config.json"
    config = (
        json.loads(path.read_bytes()) if path.is_file() else {"tokenizer_class": "PreTrainedTokenizerFast"}
    )
    for other in known[1:]:
        config = {role: token for role, token in other.roles.items() if token in joined.numbers} | config
    if "added_tokens_decoder" in config:
        config["added_tokens_decoder"] = {
            str(joined.numbers[token]): {k: v for k, v in entry.items() if k != "id"}
            for token, entry in sorted(joined.added.items(), key=lambda item: joined.numbers[item[0]])
        }
    if template is not None:
        config["chat_template"] = template
    _put(path, config)


def _put(path: Path, table: Mapping[str, Any]) -> None:
    with whole_file(path) as stream:
        stream.write(json.dumps(table, ensure_ascii=False, indent=1).encode() + b"\n")
