"""What is merged: a transformers folder, a GGUF dequantised into one, or a layer on its base; tensors come lazily."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rumpun.engines.bases import as_folder, base_of_layer, find_base
from rumpun.errors import InputError
from rumpun.layer.base import base_sha256
from rumpun.layer.merging.params import TASK_METHODS, Asked
from rumpun.layer.merging.shards import Shards
from rumpun.layer.merging.vocabulary import Vocabulary, read_vocabulary
from rumpun.steps import Progress, quiet
from rumpun.weights.layer_file import SPEC_FILE, LayerSpec, read_layer, read_spec
from rumpun.weights.quantise import Float

__all__ = ["Parent", "check_alike", "open_parent", "open_parents", "with_layer"]

INPUT: Final = "embed_tokens.weight"  # how the name of the table of token rows ends
OUTPUT: Final = "lm_head.weight"
# what must be equal for weights to mean the same; sizes are seen in the shapes
_ALIKE: Final = ("model_type", "num_hidden_layers", "hidden_size", "num_attention_heads", "num_key_value_heads",
                 "head_dim", "intermediate_size", "hidden_act", "sliding_window", "rms_norm_eps")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Parent:
    """One model to merge. Names are those of transformers; a tied output is not among them."""

    name: str  # for messages
    folder: Path
    config: Mapping[str, Any]
    shards: Shards
    vocabulary: Vocabulary | None  # None: the folder has no tokenizer.json
    spec: LayerSpec | None = None
    products: Mapping[str, npt.NDArray[np.floating]] = field(default_factory=dict)  # of the layer
    template: str | None = None  # of chats

    @property
    def tied(self) -> bool:
        """Whether the output uses the rows of the input."""
        return bool(self.config.get("tie_word_embeddings")) or not any(
            name.endswith(OUTPUT) for name in self.shards.entries
        )

    def names(self) -> list[str]:
        """Every tensor's name, in the files' order."""
        return [n for n in self.shards.entries if not (self.tied and n.endswith(OUTPUT))]

    def shape(self, name: str) -> tuple[int, ...]:
        """The tensor's shape, with added rows."""
        shape = self.shards.entries[name].shape
        rows = self.products.get(f"{name.removesuffix('.weight')}.rows")
        if rows is None:
            return shape
        return (shape[0] + len(rows), *shape[1:])

    def tensor(self, name: str) -> Float:
        """The tensor with the layer on it, float32, an array of its own.

        Raises:
            InputError: it cannot be read, or has numbers that are not finite.
        """
        weight = self.shards.tensor(name)
        module = name.removesuffix(".weight")
        if (a := self.products.get(f"{module}.a")) is not None and self.spec is not None:
            b = self.products[f"{module}.b"].astype(np.float32)
            with np.errstate(over="ignore", invalid="ignore"):  # looked for at once
                weight += np.float32(self.spec.alpha / self.spec.rank) * (b @ a.astype(np.float32))
            if not np.isfinite(weight.sum(dtype=np.float64)):
                raise InputError(
                    f"{self.name}: {name} with the layer on it has values that are not finite",
                    "train the layer again with a lower learning rate",
                )
        if (rows := self.products.get(f"{module}.rows")) is not None:
            weight = np.concatenate([weight[: self.shape(name)[0] - len(rows)], rows.astype(np.float32)])
        return weight


def open_parents(
    references: Sequence[str | Path], base: str, method: Asked, progress: Progress = quiet
) -> "tuple[list[Parent], Parent | None]":
    """(parents, what differences are taken from) by reference.

    A layer stands on `base` where that is its base, else on the base that its own step named. For the methods that take
    no differences, a base is only where layers stand.

    Raises:
        InputError: nothing is there, it is damaged, or a layer's base is not at hand.
    """
    place = find_base(base, progress) if base else None
    parents = [open_parent(reference, place, progress) for reference in references]
    needed = method in TASK_METHODS or not any(parent.spec for parent in parents)
    return parents, _opened(as_folder(place, progress), base) if place and needed else None


def open_parent(reference: str | Path, base: Path | None = None, progress: Progress = quiet) -> Parent:
    """A parent by reference: a folder of weights, a GGUF, a layer's folder, a base's name.

    Raises:
        InputError: nothing is there, it is damaged, or the layer's base is not at hand.
    """
    place = Path(reference).expanduser()
    if (place / SPEC_FILE).is_file():
        fits = base is not None and base_sha256(base) == read_spec(place).base_sha256
        return with_layer(base if base and fits else base_of_layer(place, progress), place, progress)
    return _opened(as_folder(find_base(str(reference), progress), progress), str(reference))


def with_layer(base: Path, layer: Path, progress: Progress = quiet) -> Parent:
    """A layer on its base, as one parent.

    Raises:
        InputError: the layer was made for other weights, stands on another layer, or changes what the base has not.
    """
    spec, products = read_layer(layer)
    if spec.stands_on is not None:
        raise InputError(
            f"{layer}: stands on the layer {spec.stands_on[:12]}…, not on the base alone",
            "stack the two first: rumpun layer merge LOWER UPPER --method stack --out FOLDER",
        )
    found = base_sha256(base)
    if found != spec.base_sha256:
        raise InputError(
            f"{layer}: trained on '{spec.base_name}' (sha256 {spec.base_sha256[:12]}…), {base} is {found[:12]}…",
            "name the base that the layer was trained on",
        )
    parent = _opened(as_folder(base, progress), str(layer))
    modules = {name.rpartition(".")[0] for name in products}
    left = sorted(m for m in modules if f"{m}.weight" not in parent.names())
    if left:
        raise InputError(
            f"{layer}: {len(left)} of its modules are not in {base}, the first is {left[0]}",
            "name the base that the layer was trained on",
        )
    for module in sorted(modules):
        if f"{module}.a" in products:
            given = products[f"{module}.b"].shape[0], products[f"{module}.a"].shape[1]
            shape = parent.shape(f"{module}.weight")
            if given != shape:
                raise InputError(f"{layer}: {module} is {list(given)} in the layer and {list(shape)} in {base}",
                                 "name the base that the layer was trained on")  # fmt: skip
    vocabulary = parent.vocabulary
    if spec.tokens or spec.merges:
        if vocabulary is None:
            raise InputError(f"{layer}: adds {len(spec.tokens)} tokens, and {base} has no tokenizer.json",
                             "name a base with its tokenizer")  # fmt: skip
        rows = max((parent.shape(name)[0] for name in parent.names() if name.endswith(INPUT)), default=0)
        vocabulary = vocabulary.extended(spec.tokens, spec.merges, str(layer), rows)
    template = parent.template if spec.chat_template is None else spec.chat_template
    return Parent(
        parent.name, parent.folder, parent.config, parent.shards, vocabulary, spec, products, template
    )


def _opened(folder: Path, name: str) -> Parent:
    path = folder / "config.json"
    try:
        config = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror})", "name a folder of transformers weights"
        ) from error
    except ValueError as error:
        raise InputError(f"{path}: no JSON ({error})", "fetch the model again") from error
    if not isinstance(config, dict):
        raise InputError(f"{path}: no JSON object", "fetch the model again")
    return Parent(name, folder, config, Shards(folder), read_vocabulary(folder), template=_template(folder))


def _template(folder: Path) -> str | None:
    if (folder / "chat_template.jinja").is_file():
        return (folder / "chat_template.jinja").read_text(encoding="utf-8")
    path = folder / "tokenizer_config.json"
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_bytes()).get("chat_template")
    except (ValueError, AttributeError) as error:
        raise InputError(f"{path}: no JSON object", "fetch the model again") from error
    return found if isinstance(found, str) else None


def check_alike(parents: list[Parent]) -> None:
    """Refuse models whose weights do not mean the same: other architectures, names, shapes or rotary settings.

    Raises:
        InputError: names what differs, and between which two.
    """
    first = parents[0]
    for other in parents[1:]:
        for key in _ALIKE:
            one, two = first.config.get(key), other.config.get(key)
            if one is not None and two is not None and one != two:
                raise _unlike(first, other, f"{key} = {one}", two)
        if (one := _theta(first)) != (two := _theta(other)) and one is not None and two is not None:
            raise _unlike(first, other, f"rope_theta = {one}", two)
        mine, theirs = ({n for n in p.names() if not n.endswith(OUTPUT)} for p in (first, other))
        if odd := sorted(mine ^ theirs):
            has, lacks = (first, other) if odd[0] in mine else (other, first)
            raise InputError(
                f"{lacks.name}: no tensor {odd[0]}, which {has.name} has ({len(odd)} differ)",
                "merge models of one architecture and size",
            )
        for name in sorted(mine):
            one, two = first.shape(name), other.shape(name)
            by_token = name.endswith(INPUT) and first.vocabulary is not None and other.vocabulary is not None
            if one[1:] != two[1:] or (one[0] != two[0] and not by_token):
                raise _unlike(first, other, f"{name} is {list(one)}", list(two))


def _unlike(first: Parent, other: Parent, words: str, two: object) -> InputError:
    return InputError(
        f"{words} in {first.name} and {two} in {other.name}", "merge models of one architecture and size"
    )


def _theta(parent: Parent) -> Any:
    """Rotary settings in either of the forms that transformers has written."""
    table = parent.config.get("rope_parameters")
    if isinstance(table, dict):
        return table.get("rope_theta", parent.config.get("rope_theta"))
    return parent.config.get("rope_theta")
