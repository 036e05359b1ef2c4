"""What is asked of a merge; read without numpy."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from rumpun.errors import UsageError

__all__ = [
    "ADDITIVE",
    "METHODS",
    "TASK_METHODS",
    "Asked",
    "CombineModelsParams",
    "CombineParams",
    "ExtractParams",
    "MergeSettings",
    "Method",
    "Precision",
    "SweepParams",
    "check_count",
]

Method = Literal[
    "linear",
    "task_arithmetic",
    "ties",
    "dare_linear",
    "dare_ties",
    "breadcrumbs",
    "breadcrumbs_ties",
    "slerp",
]
METHODS: tuple[Method, ...] = get_args(Method)
TASK_METHODS: tuple[Method, ...] = METHODS[1:-1]  # work on differences from a base
Asked = Literal[Method, "stack"]
ADDITIVE = ("linear", "task_arithmetic", "stack")  # sums of products, which layers can hold exactly
Precision = Literal["same", "float32", "float16", "bfloat16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeSettings:
    """How tensors are merged. Names are mergekit's, where it has them; `lambda` is a word of Python's, so `lambda_`."""

    method: Asked
    weight: tuple[float, ...] = ()  # one a parent, in order; empty: 1 each
    density: float | tuple[float, ...] = (
        1.0  # share of a difference's numbers that is kept; one, or one a parent
    )
    gamma: float = 0.01  # breadcrumbs: share of the largest numbers that is dropped too
    normalize: bool | None = (
        None  # divide by the sum of weights; None: linear and the sign methods do, others do not
    )
    lambda_: float = 1.0  # the merged difference is multiplied by this
    t: float = 0.5  # slerp: 0 is the first model, 1 the second
    t_filters: dict[str, float] = field(
        default_factory=dict
    )  # part of a tensor's name -> t; the first that fits

    def check(self) -> None:
        """Refuse values that nothing can be merged with."""
        densities = self.density if isinstance(self.density, tuple) else (self.density,)
        faults = [
            (any(not 0 <= value <= 1 for value in densities), f"density = {self.density}, expected 0 to 1"),
            (not 0 <= self.gamma < 1, f"gamma = {self.gamma}, expected 0 to 1"),
            (self.method.startswith("breadcrumbs") and any(value + self.gamma > 1 for value in densities),
             f"density = {self.density} and gamma = {self.gamma}: together above 1"),
            (self.method.startswith("dare") and 0 in densities, "density = 0: nothing would be left to rescale"),
            (not 0 <= self.t <= 1, f"t = {self.t}, expected 0 to 1"),
            (any(not 0 <= t <= 1 for t in self.t_filters.values()), f"t_filters = {self.t_filters}, expected 0 to 1"),
            (self.divides and bool(self.weight) and abs(sum(self.weight)) < 1e-12,
             f"weight = {list(self.weight)}: the sum is 0, and normalize divides by it"),
        ]  # fmt: skip
        for wrong, words in faults:
            if wrong:
                raise ValueError(words)

    @property
    def divides(self) -> bool:
        """Whether the sum is divided by its weights."""
        if self.normalize is not None:
            return self.normalize
        return self.method in ("linear", "ties")

    def weights(self, parents: int) -> tuple[float, ...]:
        """One weight a parent."""
        return self.weight or (1.0,) * parents

    def densities(self, parents: int) -> tuple[float, ...]:
        """One density a parent."""
        return self.density if isinstance(self.density, tuple) else (self.density,) * parents

    def t_of(self, name: str) -> float:
        """The share of the second model in this tensor."""
        return next((t for part, t in self.t_filters.items() if part in name), self.t)


@dataclass(frozen=True, slots=True, kw_only=True)
class CombineParams(MergeSettings):
    """How the layers among a step's inputs become one layer; parents stand in the order of `needs`."""

    base: str = "base"  # that the layers stand on, as the steps that trained them name it
    rank: int = 0  # of the outcome; 0: the sum of the ranks, so that sums and stacks are exact


@dataclass(frozen=True, slots=True, kw_only=True)
class CombineModelsParams(MergeSettings):
    """How the models and layers (each on its base) among a step's inputs, and those named here, become one model."""

    base: str = ""  # that differences are taken from: "base", a GGUF, a folder of weights, a catalogue name
    models: tuple[
        str, ...
    ] = ()  # more parents, behind the inputs: GGUFs, folders of weights, catalogue names
    precision: Precision = "same"  # of the numbers; same: the type that all parents share, else float32
    shard_bytes: int = 5_000_000_000  # of one file of weights at most


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractParams:
    """How a fully tuned model becomes a layer on its base."""

    base: str = "base"  # that it was tuned from
    model: str = ""  # a GGUF or a folder of weights; empty: the input of kind model
    rank: int = 32
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    licence: str = "Apache-2.0"  # SPDX, of the layer


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepParams:
    """Which merges of layers are tried, and on how much text; every combination of the lists is one try."""

    methods: tuple[Asked, ...] = ("linear",)
    weights: tuple[tuple[float, ...], ...] = ()  # empty: each layer alone, and all alike
    densities: tuple[float, ...] = (1.0,)  # for the methods that thin differences
    lambdas: tuple[float, ...] = (1.0,)
    rank: int = 0
    base: str = "base"  # that the layers stand on
    documents_max: int = 32  # a language
    report_share: float = 0.5  # of the documents, kept from the choice: the winner's figure is told on them

    def check(self) -> None:
        """Refuse values that nothing can be tried with."""
        faults = [
            (not self.methods, "methods is empty, expected at least one"),
            (self.documents_max < 1, f"documents_max = {self.documents_max}, expected 1 or more"),
            (not 0 <= self.report_share < 1, f"report_share = {self.report_share}, expected 0 to 1"),
        ]
        for wrong, words in faults:
            if wrong:
                raise ValueError(words)

    def tries(self, parents: int) -> list[MergeSettings]:
        """Every combination, each once."""
        alone = [tuple(float(place == one) for place in range(parents)) for one in range(parents)]
        weights = self.weights or (*alone, (1.0,) * parents)
        found: list[MergeSettings] = []
        for method in self.methods:
            densities = self.densities if method in TASK_METHODS[1:] else (1.0,)
            lambdas = self.lambdas if method in TASK_METHODS else (1.0,)
            found += [
                MergeSettings(method=method, weight=weight, density=density, lambda_=lambda_)
                for weight in ([()] if method == "stack" else weights)
                for density in densities
                for lambda_ in lambdas
            ]
        return list({repr(settings): settings for settings in found}.values())


def check_count(settings: MergeSettings, parents: Sequence[object], *, based: bool) -> None:
    """Refuse settings that do not fit to so many parents.

    Raises:
        UsageError: a method, a weight or a density does not fit; what fits is said.
    """
    try:
        settings.check()
    except ValueError as error:
        raise UsageError(f"merge: {error}", "change the value") from error
    count = len(parents)
    given = {"weight": settings.weight, "density": settings.density}
    for name, values in given.items():
        if isinstance(values, tuple) and values and len(values) != count:
            raise UsageError(
                f"{name}: {len(values)} values ({', '.join(f'{v:g}' for v in values)}) for {count} parents",
                f"give {count}, in the parents' order",
            )
    if settings.method == "slerp" and count != 2:
        raise UsageError(f"slerp takes two models, {count} are given", "use linear for more than two")
    if settings.method in TASK_METHODS and not based:
        raise UsageError(
            f"{settings.method} works on differences from a base, and none is named", "name it with base"
        )
    if settings.method in ("linear", "slerp") and based:
        raise UsageError(
            f"{settings.method} uses no base, and one is named", "leave the base out, or use task_arithmetic"
        )
    if settings.method in ("linear", "slerp") and settings.lambda_ != 1:
        raise UsageError(
            f"lambda = {settings.lambda_:g} has no meaning in {settings.method}", "use task_arithmetic"
        )
