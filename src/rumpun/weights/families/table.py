"""A family by the name that GGUF gives its architecture, or by transformers' `model_type`."""

import functools
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from rumpun.errors import InputError, UsageError

__all__ = ["OTHER_MODULES", "Family", "by_architecture", "by_model_type", "families"]

# outside the decoder blocks, the same in every family; GGUF's name -> transformers'
OTHER_MODULES: Mapping[str, str] = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}
_INSIDE = {"gemma3": "gemma3_text"}  # a model of text and images -> the text model inside it


class Family(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What differs between families; the fields are explained at the head of families.toml."""

    architecture: str  # GGUF's name
    model_type: str
    model_class: str
    activation: str
    targets: tuple[str, ...]
    blocks: dict[str, str]
    defaults: dict[str, Any]
    permuted: bool = False
    norm_added: float = 0.0
    biases: bool = False
    untied: bool = False

    def is_norm(self, name: str) -> bool:
        """Whether GGUF's tensor of this name is an RMS norm."""
        return name.endswith("norm.weight")

    def usual_or(self, targets: tuple[str, ...]) -> tuple[str, ...]:
        """The targets to train: those named, without what this family lacks where every usual target is named.

        Raises:
            UsageError: a target is named that this family has not.
        """
        lacking = [target for target in targets if target not in self.targets]
        if not lacking:
            return targets
        if set(self.targets) <= set(targets):
            return tuple(target for target in targets if target in self.targets)
        raise UsageError(
            f"targets: {self.architecture} models have no {', '.join(lacking)}",
            f"name some of {', '.join(self.targets)}",
        )


@functools.cache
def families() -> tuple[Family, ...]:
    """Every family, in the table's order."""
    raw = tomllib.loads((Path(__file__).parent / "families.toml").read_text(encoding="utf-8"))
    return tuple(msgspec.convert({"architecture": name} | facts, Family) for name, facts in raw.items())


def by_architecture(name: str, where: object) -> Family:
    """The family of a GGUF's `general.architecture`.

    Raises:
        InputError: layers and transformers folders are not made for it here.
    """
    for family in families():
        if family.architecture == name:
            return family
    known = ", ".join(family.architecture for family in families())
    raise InputError(
        f"{where}: architecture '{name}', expected one of {known}",
        "layers and transformers folders are made for these; serve others as they are",
    )


def by_model_type(name: str, where: object) -> Family:
    """The family of a config.json's `model_type`; a model of text and images gives that of its text.

    Raises:
        InputError: layers and GGUF files are not made for it here.
    """
    wanted = _INSIDE.get(name, name)
    for family in families():
        if family.model_type == wanted:
            return family
    known = ", ".join(family.model_type for family in families())
    raise InputError(
        f"{where}: model_type '{name}', expected one of {known}", "name a base of one of these families"
    )
