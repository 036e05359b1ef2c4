"""A layer's numbers on a base's weights, one tensor at a time, in llama.cpp's order of rows."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rumpun.errors import InputError
from rumpun.records.artefacts import sha256_file
from rumpun.weights.gguf_file import MADE_FROM, Gguf
from rumpun.weights.layer_file import LayerSpec, modules, read_layer
from rumpun.weights.names import Naming, pairs_first
from rumpun.weights.quantise import Float

__all__ = ["Merged", "open_layer"]

_MEND = "use the base that the layer was made for, or make the layer again"


class Merged:
    """A base's tensors with a layer's products added and its vocabulary rows appended."""

    def __init__(self, base: Gguf, spec: LayerSpec, tensors: Mapping[str, npt.NDArray[np.floating]]) -> None:
        self.base = base
        self.spec = spec
        self.tensors = tensors
        self.naming = Naming(base)
        self.modules = self.naming.modules(base)
        self._check()

    def _check(self) -> None:
        expected = set(modules(self.spec, self.naming.blocks))
        found = {name.rpartition(".")[0] for name in self.tensors if not name.endswith(".rows")}
        if odd := sorted(expected ^ found):
            words = "does not change" if odd[0] in expected else "changes"
            raise InputError(
                f"{self.base.path}: {self.naming.blocks} blocks; the layer {words} {odd[0]}", _MEND
            )
        places = {module: name for name, module in self.modules.items()}
        if missing := sorted(expected - places.keys()):
            raise InputError(f"{self.base.path}: no weight for {missing[0]}, which the layer changes", _MEND)
        for module in sorted(expected):
            out, into = self.base.entry(places[module]).shape
            given = self.tensors[f"{module}.b"].shape[0], self.tensors[f"{module}.a"].shape[1]
            if given != (out, into):
                raise InputError(
                    f"{self.base.path}: {module} is {[out, into]} there and {list(given)} in the layer", _MEND
                )
        self._check_rows()

    def _check_rows(self) -> None:
        tied = "output.weight" not in self.base.tensors
        needed = {"model.embed_tokens.rows"} | (set() if tied else {"lm_head.rows"})
        given = {name for name in self.tensors if name.endswith(".rows")}
        if self.spec.tokens and needed != given:
            odd = min(needed ^ given)
            words = (
                "are missing"
                if odd in needed
                else f"have no place: {self.base.path} ties output to embedding"
            )
            raise InputError(f"{self.base.path}: the layer's {odd} {words}", _MEND)
        hidden = self.base.entry("token_embd.weight").shape[1]
        for name in given:
            if self.tensors[name].shape[1] != hidden:
                raise InputError(
                    f"{self.base.path}: hidden size {hidden}, the layer's {name} have {self.tensors[name].shape[1]}",
                    _MEND,
                )

    def changes(self, name: str) -> bool:
        """Whether the layer changes this tensor (GGUF's name)."""
        module = self.modules.get(name, "")
        return f"{module}.a" in self.tensors or f"{module}.rows" in self.tensors

    def shape(self, name: str) -> tuple[int, ...]:
        """The tensor's shape with appended rows."""
        shape = self.base.entry(name).shape
        rows = self.tensors.get(f"{self.modules.get(name, '')}.rows")
        return shape if rows is None else (shape[0] + rows.shape[0], *shape[1:])

    def tensor(self, name: str) -> Float:
        """The tensor with the layer on it, float32, rows in llama.cpp's order.

        Raises:
            InputError: the sum is not finite.
        """
        weight = self.base.tensor(name)
        module = self.modules.get(name, "")
        if (a := self.tensors.get(f"{module}.a")) is not None:
            b = self.tensors[f"{module}.b"].astype(np.float32)
            if heads := self.naming.permuted_heads(name):
                b = pairs_first(b, heads)
            with np.errstate(over="ignore", invalid="ignore"):  # looked for at once
                weight = weight + np.float32(self.spec.alpha / self.spec.rank) * (b @ a.astype(np.float32))
                total = float(weight.sum(dtype=np.float64))
            if not math.isfinite(total):
                raise InputError(
                    f"{self.base.path}: {name} with the layer on it has values that are not finite",
                    "train the layer again with a lower learning rate",
                )
        if (rows := self.tensors.get(f"{module}.rows")) is not None:
            weight = np.concatenate([weight, rows.astype(np.float32)])
        return weight


def open_layer(base: Gguf, layer: Path) -> Merged:
    """A layer on its base, checked.

    Raises:
        InputError: the layer is damaged, or was made for another base.
    """
    spec, tensors = read_layer(layer)
    if spec.stands_on is not None:
        raise InputError(
            f"{layer}: stands on the layer {spec.stands_on[:12]}…, not on the base alone",
            "stack the two first: rumpun layer merge LOWER UPPER --method stack --out FOLDER",
        )
    if spec.architecture != base.architecture:
        raise InputError(
            f"{layer}: for the architecture '{spec.architecture}', {base.path} is '{base.architecture}'",
            _MEND,
        )
    found = sha256_file(base.path)
    if spec.base_sha256 not in (found, base.get(MADE_FROM)):
        name = base.get("general.name", base.path.stem)
        raise InputError(
            f"{layer}: made for the base '{spec.base_name}' (sha256 {spec.base_sha256[:12]}…);"
            f" {base.path} is '{name}' (sha256 {found[:12]}…)",
            f"name the GGUF of {spec.base_name}, or a layer made for '{name}'",
        )
    return Merged(base, spec, tensors)
