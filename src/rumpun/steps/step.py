"""What a step is, and the table of their names.

    @step(kind="documents", version=1)
    def read(params: ReadParams, work: Work) -> Outcome: ...

The function reads `work.inputs`, writes into `work.folder`, may keep what it needs to resume in `work.scratch`, calls
`work.progress(done, total)` and returns an `Outcome`. It never writes a manifest: the runner does.
"""

import importlib
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from rumpun.errors import UsageError, nearest
from rumpun.records.artefacts import Manifest, SourceEntry

__all__ = ["TABLE", "Input", "Outcome", "Progress", "Step", "Work", "quiet", "resolve", "step"]

P = TypeVar("P")

# name -> "module:function"; resolved when a step is planned or run, so that no room is imported to read a recipe
TABLE: Mapping[str, str] = {
    "corpus.read": "rumpun.corpus.read.step:read",
    "corpus.train_quality": "rumpun.corpus.tag.train_quality:train_quality",
    "corpus.tag": "rumpun.corpus.tag.step:tag",
    "corpus.link": "rumpun.corpus.link.step:link",
    "corpus.filter": "rumpun.corpus.filter.step:decide",
    "corpus.mix": "rumpun.corpus.mix.step:mix",
    "corpus.write": "rumpun.corpus.write.step:write",
    "corpus.index": "rumpun.corpus.trace.step:index",
    "layer.parent": "rumpun.layer.growth.parent:parent",
    "layer.extend": "rumpun.layer.vocabulary.extend:extend",
    "layer.prune_vocabulary": "rumpun.layer.vocabulary.prune:prune",
    "layer.train": "rumpun.layer.train:train",
    "layer.tune": "rumpun.layer.train:tune",
    "layer.full": "rumpun.layer.full:full",
    "layer.pairs": "rumpun.layer.prefer.build:pairs",
    "layer.prefer": "rumpun.layer.prefer.step:prefer",
    "layer.distil": "rumpun.layer.distil.step:distil",
    "layer.distil_logits": "rumpun.layer.distil.logits:distil_logits",
    "layer.merge": "rumpun.layer.merge:merge",
    "layer.combine": "rumpun.layer.merging.steps:combine",
    "layer.combine_models": "rumpun.layer.merging.steps:combine_models",
    "layer.extract": "rumpun.layer.merging.steps:extract",
    "layer.sweep": "rumpun.layer.merging.steps:sweep_layers",
    "layer.repeats": "rumpun.layer.partner.repeats:repeats",
    "layer.release": "rumpun.layer.release:release",
    "evaluate.bpb": "rumpun.evaluate.step:bpb",
    "evaluate.safety": "rumpun.evaluate.safety:safety",
    "edge.export": "rumpun.edge.export:export",
    "edge.trim": "rumpun.edge.trim:trim",
    "encoder.pairs": "rumpun.encoder.pairs:pairs",
    "encoder.texts": "rumpun.encoder.plain:texts",
    "encoder.vocabulary": "rumpun.encoder.vocabulary:vocabulary",
    "encoder.train": "rumpun.encoder.train:train",
    "encoder.export": "rumpun.encoder.export:export",
    "guard.labels": "rumpun.guard.labels:labels",
    "guard.train": "rumpun.guard.train:train",
    "language.train_lid": "rumpun.language.train_lid:train",
}


class Progress(Protocol):
    """Called with work done and work in all (0 when unknown), and a few words on what is counted."""

    def __call__(self, done: float, total: float = 0, note: str = "") -> None:
        """Say how far the work is; `total` and `note` may change from call to call."""
        ...


def quiet(done: float, total: float = 0, note: str = "") -> None:
    """The `Progress` of a caller that wants none."""


@dataclass(frozen=True, slots=True)
class Input:
    """A finished artefact that a step stands on."""

    name: str  # the recipe's name for the step that made it
    folder: Path
    manifest: Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Where and with what a step works."""

    inputs: tuple[Input, ...]
    folder: Path  # empty; becomes the artefact
    scratch: Path  # outlives a killed process
    seed: int
    progress: Progress
    key: str = ""  # the artefact's id, for files that carry it inside

    def input(self, kind: str) -> Input:
        """The input of this kind.

        Raises:
            UsageError: there is none.
        """
        for item in self.inputs:
            if item.manifest.kind == kind:
                return item
        kinds = ", ".join(i.manifest.kind for i in self.inputs) or "none"
        raise UsageError(
            f"this step needs a {kind}, and its inputs are: {kinds}",
            f"add the step that makes a {kind} to `needs`",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a step says of its artefact; the runner adds what the inputs bring."""

    sources: tuple[SourceEntry, ...] = ()  # sources that this step itself brought in
    languages: tuple[str, ...] = ()
    summary: dict[str, Any] = field(default_factory=dict)
    tools: dict[str, str] = field(default_factory=dict)  # library -> version
    name: str = ""
    parents: tuple[str, ...] = ()  # ids of artefacts that came from outside the recipe


@dataclass(frozen=True, slots=True)
class Step(Generic[P]):
    """A declared step."""

    function: Callable[[P, Work], Outcome]
    params: type[P]
    kind: str
    version: int
    identity: Callable[[P], Mapping[str, Any]] | None = (
        None  # facts outside the parameters that bear on the result
    )
    part: str = ""  # of the package, that it needs beside the runtime
    needs: tuple[str, ...] = ()  # kinds of artefact that it stands on


def step(
    *,
    kind: str,
    version: int,
    identity: Callable[[Any], Mapping[str, Any]] | None = None,
    part: str = "",
    needs: tuple[str, ...] = (),
) -> Callable[[Callable[[P, Work], Outcome]], Step[P]]:
    """Declare a step; the parameters' dataclass is read from the function's first annotation.

    `identity(params)` may return facts that are part of the artefact's id though the recipe does not spell them, such
    as the sha256 of the files that a folder's inventory names. `part` is the part of the package that the function
    needs; the module imports nothing of it on top, so that a recipe can be planned without. `needs` are the kinds of
    artefact that must be among its inputs; a plan without them is refused before anything is made.
    """

    def declare(function: Callable[[P, Work], Outcome]) -> Step[P]:
        hints = typing.get_type_hints(function)
        params = next(hint for name, hint in hints.items() if name != "return")
        return Step(function, params, kind, version, identity, part, needs)

    return declare


def resolve(name: str) -> Step[Any]:
    """Import the step of this name.

    Raises:
        UsageError: no step has the name.
    """
    target = TABLE.get(name)
    if target is None:
        raise UsageError(f"no step is called '{name}'", nearest(name, list(TABLE)))
    module, _, function = target.partition(":")
    found = getattr(importlib.import_module(module), function)
    if not isinstance(found, Step):
        raise TypeError(f"{target} is no step")
    return found
