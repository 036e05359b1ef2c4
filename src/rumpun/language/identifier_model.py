"""The identifier's linear model: int8 weights of hashed features in safetensors, their description in JSON.

`<name>.json` holds the schema, the labels, the calibration, the sha256 of `<name>.safetensors` and, under `facts`, what
was measured. The tensors: weights [slots, labels] int8, prints [slots] uint16, scale [labels] float32. A feature's slot is
the upper half of its hash, spread over the slots; its print is the lowest 16 bits. A slot holds one feature: one whose
print differs was not learnt and adds nothing.

With S the sum of the weights of a text's features times scale, and n the number of its features, known or not, the
probability of a label is softmax(gain * n**-power * S + prior).
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from rumpun.errors import InputError
from rumpun.language.heads import checked_tensors
from rumpun.language.identifier_words import Uint64s, Words, grams, pairs
from rumpun.records.json_files import read_json

__all__ = ["Model", "Scores", "placed", "read_model", "softmax", "write_model"]

SCHEMA = 2
_BIAS = 128  # added to an int8 weight, so that a lane of 16 bits never borrows from the next

Floats = npt.NDArray[np.float32]


class _About(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    schema: int
    labels: tuple[str, ...]
    gain: float
    power: float
    prior: tuple[float, ...]
    sha256: str
    facts: dict[str, Any] = {}


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What each word says of each label."""

    sums: Floats  # [words, labels] S of a word, with that of the pair that it ends
    features: npt.NDArray[np.int64]  # [words] n of a word


def placed(hashes: Uint64s, slots: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint16]]:
    """(slot, print) of each feature."""
    upper = hashes >> np.uint64(32)
    slot = (upper * np.uint64(slots)) >> np.uint64(32)
    return slot.astype(np.int64), hashes.astype(np.uint16)


def softmax(logits: npt.NDArray[np.floating[Any]]) -> Floats:
    """Odds of each row, summing to 1."""
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """Weights and calibration."""

    labels: tuple[str, ...]
    weights: npt.NDArray[np.int8]  # [slots, labels]
    prints: npt.NDArray[np.uint16]  # [slots]
    scale: Floats  # [labels]
    gain: float
    power: float
    prior: Floats  # [labels]
    facts: dict[str, Any]
    _wide: list[Uint64s] = field(default_factory=list, repr=False)  # worked out once

    def scores(self, found: Words) -> Scores:
        """Every word's weights added up; equal words are worked out once."""
        labels = len(self.labels)
        table = self._lanes()
        _, which, inverse = np.unique(found.key, return_index=True, return_inverse=True)
        unique = np.zeros((len(which), labels), np.int32)
        for some in grams(found, which):
            slot, hit = self._known(some.hashes)
            if not len(hit):
                continue
            owner = np.repeat(np.arange(len(which)), some.counts)[hit]
            first = np.flatnonzero(np.diff(owner, prepend=-1))
            sums = np.add.reduceat(table[slot], first, axis=0).view(np.uint16)[:, :labels]
            counts = np.diff(first, append=len(owner))
            unique[owner[first]] += sums - (counts * _BIAS)[:, None].astype(np.int32)
        whole = unique[inverse]
        second = np.flatnonzero(found.follows)
        slot, hit = self._known(pairs(found.key[second - 1], found.key[second]))
        whole[second[hit]] += self.weights[slot]
        features = _features(found.length)
        features[second] += 1
        return Scores(whole * self.scale, features)

    def _lanes(self) -> Uint64s:
        """[slots, …] four weights in one number, 16 bits each: one addition adds four, and 257 features fit."""
        if not self._wide:
            slots, labels = self.weights.shape
            wide = np.zeros((slots, -(-labels // 4) * 4), np.uint16)
            wide[:, :labels] = self.weights.astype(np.int16) + _BIAS
            self._wide.append(wide.view(np.uint64))
        return self._wide[0]

    def _known(self, hashes: Uint64s) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """(slots of the features that were learnt, their places)."""
        slot, mark = placed(hashes, len(self.prints))
        hit = np.flatnonzero(self.prints[slot] == mark)
        return slot[hit], hit

    def logits(self, sums: Floats, features: npt.NDArray[np.int64]) -> Floats:
        """[rows, labels] from S and n of each row."""
        strength = self.gain * np.maximum(features, 1).astype(np.float32) ** -self.power
        return np.asarray(sums * strength[:, None] + self.prior, np.float32)


def _features(length: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    # n-grams of 1 to 5 in a word of so many letters and two marks, single marks left out; and the word
    return length + (length + 1) + length + np.maximum(length - 1, 0) + np.maximum(length - 2, 0) + 1


def write_model(folder: Path, name: str, model: Model) -> None:
    """Write `<name>.safetensors` and `<name>.json` into a folder."""
    from safetensors.numpy import save

    data = save(
        {"weights": np.ascontiguousarray(model.weights), "prints": model.prints, "scale": model.scale}
    )
    (folder / f"{name}.safetensors").write_bytes(data)
    about = _About(
        schema=SCHEMA,
        labels=model.labels,
        gain=model.gain,
        power=model.power,
        prior=tuple(round(float(p), 6) for p in model.prior),
        sha256=hashlib.sha256(data).hexdigest(),
        facts=model.facts,
    )
    (folder / f"{name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(about), indent=1) + b"\n")


def read_model(folder: Path, name: str) -> Model:
    """Read and check what `write_model` wrote.

    Raises:
        InputError: a file is missing, damaged, or of another schema.
    """
    about = read_json(folder / f"{name}.json", _About, "a description of an identifier", schema=SCHEMA)
    path = folder / f"{name}.safetensors"
    weights, prints, scale = checked_tensors(
        path, about.sha256, ("weights", "prints", "scale"), "an identifier"
    )
    labels = len(about.labels)
    shapes = (weights.shape, prints.shape, scale.shape, (len(about.prior),))
    if shapes != ((len(prints), labels), (len(prints),), (labels,), (labels,)):
        raise InputError(
            f"{path}: weights {shapes[0]}, prints {shapes[1]}, scale {shapes[2]}, prior {shapes[3]} for {labels} labels",
            "restore both files from one release",
        )
    prior = np.array(about.prior, np.float32)
    return Model(about.labels, weights, prints, scale, about.gain, about.power, prior, about.facts)
