"""The guard's heads: linear, over the encoder's vector and over hashed character n-grams of the normalised text.

Files: `guard.safetensors` (dense [width, heads] float16; ngrams [buckets, heads] int8 with a scale a head; bias) and
`guard.json` (labels, n-gram lengths, the encoder they were fitted with, calibration, thresholds, the tensors' sha256).
A head's logit is vector · dense + scale * (normalised counts · ngrams) + bias. Its probability is
sigmoid(a * logit + b) with (a, b) of the text's language where there were rows enough, else of all languages.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from rumpun.errors import InputError, UsageError
from rumpun.guard.judgement import POINTS, Level, Point, Role
from rumpun.guard.taxonomy import HARM, taxonomy
from rumpun.language.heads import checked_tensors
from rumpun.language.ngrams import hashed
from rumpun.records.json_files import read_json

__all__ = ["ANSWERS", "ANY", "GuardHeads", "HeadsSpec", "read_heads", "write_heads"]

ANY = "any"  # of all languages together
ANSWERS = "answers"  # of all languages together, for answers
_NAMES = ("dense", "ngrams", "scale", "bias")
Floats = npt.NDArray[np.float32]


class HeadsSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`guard.json`."""

    schema: int
    name: str
    labels: tuple[str, ...]  # HARM first
    lengths: tuple[int, ...]
    encoder: str  # sha256 of the graph that the dense heads were fitted with
    sha256: str
    # language (or ANY) -> (a, b) of the harm head's probability
    calibration: dict[str, tuple[float, float]]
    # point -> label -> language (or ANY, ANSWERS) -> (least probability of level 1, of level 2)
    thresholds: dict[Point, dict[str, dict[str, tuple[float, float]]]]
    off: dict[str, str] = {}  # category without a head -> why


@dataclass(frozen=True, slots=True, eq=False)
class GuardHeads:
    """Heads that are loaded."""

    spec: HeadsSpec
    dense: Floats  # [width, heads]
    ngrams: npt.NDArray[np.int8]  # [buckets, heads]
    scale: Floats  # [heads]
    bias: Floats  # [heads]

    def logits(self, texts: Sequence[str], vectors: Floats) -> Floats:
        """[texts, heads]; the texts are normalised, the vectors are theirs."""
        return vectors @ self.dense + self.ngram_logits(texts) + self.bias

    def ngram_logits(self, texts: Sequence[str]) -> Floats:
        """The n-grams' part alone, [texts, heads]: cheap, for choosing which windows of a long text to read closely."""
        counts = hashed(texts, buckets=len(self.ngrams), lengths=self.spec.lengths)
        found: Floats = counts.normalised().dot(self.ngrams) * self.scale
        return found

    def probabilities(self, logits: Floats, language: str) -> Floats:
        """[…, heads] -> the same, each 0 to 1; the first is calibrated for the language."""
        a, b = self.spec.calibration.get(language) or self.spec.calibration[ANY]
        scaled = logits.copy()
        scaled[..., 0] = a * logits[..., 0] + b
        odds: Floats = (1 / (1 + np.exp(-np.clip(scaled, -30, 30)))).astype(np.float32)
        return odds

    def level(
        self, label: str, probability: float, language: str, point: Point, role: Role = "prompt"
    ) -> Level:
        """The level that a probability reaches at an operating point."""
        first, second = self.threshold(label, language, point, role)
        return 2 if probability >= second else 1 if probability >= first else 0

    def threshold(
        self, label: str, language: str, point: Point, role: Role = "prompt"
    ) -> tuple[float, float]:
        """Least probabilities of level 1 and of level 2; answers have one pair for all languages."""
        table = self.spec.thresholds[point][label]
        if role == "answer" and ANSWERS in table:
            return table[ANSWERS]
        return table.get(language) or table[ANY]


def write_heads(folder: Path, spec: HeadsSpec, tensors: Mapping[str, "npt.NDArray[Any]"]) -> HeadsSpec:
    """Write both files; returns the spec with the tensors' sha256 in it."""
    from safetensors.numpy import save

    data = save({name: np.ascontiguousarray(tensors[name]) for name in _NAMES})
    (folder / "guard.safetensors").write_bytes(data)
    whole = msgspec.structs.replace(spec, sha256=hashlib.sha256(data).hexdigest())
    (folder / "guard.json").write_bytes(msgspec.json.format(msgspec.json.encode(whole), indent=1) + b"\n")
    return whole


def read_heads(folder: Path) -> GuardHeads:
    """Read and check what `write_heads` wrote.

    Raises:
        InputError: a file is missing, damaged, of another schema, or names what the taxonomy does not know.
    """
    path = folder / "guard.json"
    absent = "name a guard's folder, or train one: rumpun guard train"
    spec = read_json(
        path, HeadsSpec, "a guard's heads", absent=absent, damaged="restore the guard from a release"
    )
    _check(path, spec)
    dense, ngrams, scale, bias = checked_tensors(folder / "guard.safetensors", spec.sha256, _NAMES, "heads")
    _check_tensors(folder / "guard.safetensors", spec, dense, ngrams, scale, bias)
    return GuardHeads(
        spec, dense.astype(np.float32), ngrams, scale.astype(np.float32), bias.astype(np.float32)
    )


def _check_tensors(path: Path, spec: HeadsSpec, *tensors: "npt.NDArray[Any]") -> None:
    """Refuse tensors that would fail, or find nothing, only at a text."""
    dense, ngrams, scale, bias = tensors
    count = len(spec.labels)
    if (
        dense.shape[1:] != (count,)
        or ngrams.shape[1:] != (count,)
        or scale.shape != (count,)
        or bias.shape != (count,)
        or ngrams.dtype != np.int8
    ):
        raise InputError(f"{path}: not of {count} heads", "restore both files from one release")
    if not all(
        np.isfinite(tensor).all() for tensor in tensors
    ):  # nothing is above a threshold that is no number
        raise InputError(f"{path}: a weight is no number", "restore the guard from a release")
    try:
        hashed([""], buckets=len(ngrams), lengths=spec.lengths)
    except UsageError as error:
        raise InputError(
            f"{path}: {error.message}, {error.hint}", "restore both files from one release"
        ) from error


def _check(path: Path, spec: HeadsSpec) -> None:
    known = {HARM, *taxonomy().categories}
    if spec.schema != 2:
        raise InputError(
            f"{path}: schema {spec.schema}, this rumpun reads 2", "train the guard again, or take its release"
        )
    for label in (*spec.labels, *spec.off):
        if label not in known:
            raise InputError(f"{path}: '{label}' is no category", "restore the guard from a release")
    if spec.labels[:1] != (HARM,) or len(set(spec.labels)) < len(spec.labels):
        raise InputError(
            f"{path}: the first head is '{HARM}', and each stands once", "restore the guard from a release"
        )
    if ANY not in spec.calibration or any(a <= 0 for a, _ in spec.calibration.values()):
        raise InputError(
            f"{path}: calibration: needs '{ANY}', and slopes above 0", "restore the guard from a release"
        )
    for point in POINTS:
        for label in spec.labels:
            table = spec.thresholds.get(point, {}).get(label, {})
            if ANY not in table or any(not 0 <= a <= b for a, b in table.values()):
                raise InputError(
                    f"{path}: thresholds.{point}.{label}: needs '{ANY}', and level 1 not above level 2",
                    "restore the guard from a release",
                )
