"""The step `edge.export`: a layer and its base, or a model, -> one GGUF that fits, with its speed measured.

[steps.edge]
uses = "edge.export"
needs = ["layer"]            # and a step that makes a base, where the base is not the embedded one; or a model alone
with = { quantisation = "Q8_0", size_limit_bytes = 100_000_000 }
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rumpun.errors import InputError, RumpunError, UsageError
from rumpun.records.artefacts import Manifest, read_manifest
from rumpun.records.lineage import SOURCES_KEY, pack_sources
from rumpun.steps import Input, Outcome, Progress, Work, quiet, step
from rumpun.weights.kinds import Quantisation

__all__ = [
    "FILE",
    "Choice",
    "ExportParams",
    "base_of_layer",
    "export",
    "given_base",
    "layer_metadata",
    "measured",
    "tools",
    "write_fitting",
]

FILE = "model.gguf"
Metadata = Mapping[str, str | list[str]]
# (matrices, embedding and output), from the nearest to the truth to the smallest
LADDER: tuple[tuple[Quantisation, Quantisation | None], ...] = (
    ("F32", "F32"), ("F16", "F16"), ("Q8_0", "Q8_0"), ("Q4_1", "Q8_0"), ("Q4_0", "Q8_0"), ("Q4_0", "Q4_0"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportParams:
    """What to export."""

    quantisation: Quantisation = "Q8_0"  # of the matrices
    embeddings: Quantisation | None = None  # of embedding and output; by default Q8_0 where matrices are Q4
    size_limit_bytes: int | None = None  # a file above it takes the next smaller quantisation, and says so
    name: str = ""  # general.name; by default base+layer
    measure: bool = True  # load the file and time it
    measure_tokens: int = 64  # prompt and generated tokens of each of three runs

    def check(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            ValueError: a limit or a count below 1.
        """
        if self.size_limit_bytes is not None and self.size_limit_bytes < 1:
            raise ValueError(f"size_limit_bytes = {self.size_limit_bytes}, expected 1 or more")
        if self.measure_tokens < 1:
            raise ValueError(f"measure_tokens = {self.measure_tokens}, expected 1 or more")


@dataclass(frozen=True, slots=True)
class Choice:
    """What was written."""

    quantisation: Quantisation
    embeddings: Quantisation | None  # of embedding and output; None: what `kinds.FINER` gives


@step(kind="gguf", version=2)
def export(params: ExportParams, work: Work) -> Outcome:
    """Inputs: a layer, and a base where it is not the embedded one or known by name; or a model. Writes `model.gguf`.

    Raises:
        UsageError: neither a layer nor a model is among the inputs, or both.
    """
    kinds = {item.manifest.kind: item for item in work.inputs}
    if ("layer" in kinds) == ("model" in kinds):
        raise UsageError(
            "edge.export takes a layer or a model", "name one step that makes a layer, or a model, in `needs`"
        )
    if "model" in kinds:
        return _write(params, work, kinds["model"], _as_gguf(kinds["model"].folder, work.progress), None)
    layer = kinds["layer"]
    base = given_base(work) or base_of_layer(layer.folder, work.progress)
    return _write(params, work, layer, base, _base_name(layer.folder))


def _as_gguf(model: Path, progress: Progress) -> Path:
    from rumpun.engines.bases import as_gguf

    return as_gguf(model, progress)


def _write(params: ExportParams, work: Work, above: Input, base: Path, base_name: str | None) -> Outcome:
    """The file of a layer on its base, or of a model, which has none."""
    own = above.manifest.name or above.name
    name = params.name or (f"{base_name}+{own}" if base_name else own)
    metadata: dict[str, str | list[str]] = {
        "general.name": name,
        "rumpun.parents": [item.manifest.id for item in work.inputs],
    }
    if work.key:
        metadata["rumpun.id"] = work.key
    metadata |= layer_metadata(above.manifest)
    target, layer = work.folder / FILE, above.folder if base_name else None
    choice = write_fitting(base, layer, target, params, metadata=metadata, progress=work.progress)
    parts = {"base": base_name, "layer": own} if base_name else {"model": own}
    summary = parts | _summary(target, params, choice)
    if params.measure:
        summary["bench"] = measured(target, params.measure_tokens)
    return Outcome(name=name, summary=summary, tools=tools())


def write_fitting(
    base: Path,
    layer: Path | None,
    target: Path,
    params: ExportParams,
    *,
    metadata: Metadata,
    progress: Progress = quiet,
) -> Choice:
    """Write the quantisation asked for, or the next smaller one whose file fits into the limit; return which.

    Raises:
        UsageError: even the smallest is above the limit.
        InputError: base or layer are damaged, or do not belong together.
        EnvironmentFault: the target cannot be written.
    """
    from rumpun.weights.assemble import assemble

    choice = _choose(base, layer, params, metadata)
    assemble(
        base,
        layer,
        target,
        choice.quantisation,
        embeddings=choice.embeddings,
        metadata=metadata,
        progress=progress,
    )
    return choice


def _choose(base: Path, layer: Path | None, params: ExportParams, metadata: Metadata) -> Choice:
    from rumpun.weights.assemble import assembled_size

    limit = params.size_limit_bytes
    if limit is None:
        return Choice(params.quantisation, params.embeddings)
    smallest = 0
    for matrices, embeddings in [(params.quantisation, params.embeddings), *LADDER]:
        size = assembled_size(base, layer, matrices, embeddings=embeddings, metadata=metadata)
        if smallest and size >= smallest:
            continue  # only downwards from what was asked for
        smallest = size
        if size <= limit:
            return Choice(matrices, embeddings)
    raise UsageError(
        f"size_limit_bytes = {limit:,}: the smallest file of this base is {smallest:,} bytes",
        "raise the limit, or start from a smaller base",
    )


def layer_metadata(layer: Manifest) -> dict[str, str | list[str]]:
    """What a file says of the layer in it: the sources, and the licences of all of them."""
    found: dict[str, str | list[str]] = {SOURCES_KEY: pack_sources(layer.sources)}
    if layer.licences:
        found["general.license"] = " AND ".join(layer.licences)
    return found


def base_of_layer(layer: Path, progress: Progress = quiet) -> Path:
    """The GGUF that a layer stands on: beside it, the embedded base, at hand in the catalogue, or where it was trained.

    A layer that was trained on a transformers folder stands on a GGUF that is made of it, in the cache.

    Raises:
        InputError: the base is not known, not at hand, or no GGUF.
    """
    from rumpun.engines import catalogue, embedded
    from rumpun.engines.bases import BESIDE, as_gguf

    if (layer / BESIDE).is_file():
        return layer / BESIDE
    name = _base_name(layer)
    if name == embedded.BASE_NAME:
        return embedded.base(progress)
    trained_on = _trained_on(layer, name, progress)
    if trained_on is not None:
        return as_gguf(trained_on, progress)
    entry = catalogue.find(name)
    words = "which is not known here" if entry is None else "which is known and not at hand"
    raise InputError(
        f"{layer}: made for the base '{name}', {words}",
        "name the base's GGUF: --base FILE, or in a recipe a step of kind base in `needs`",
    )


def _trained_on(layer: Path, name: str, progress: Progress) -> Path | None:
    """What the layer's recipe named, or its `layer.json`; None where neither is at hand."""
    from rumpun.engines.bases import find_base

    try:
        reference = str(read_manifest(layer).maker.params.get("base", ""))
    except InputError:
        reference = ""
    for said in filter(None, (reference, name)):
        try:
            return find_base(said, progress)
        except RumpunError:
            continue
    return None


def _base_name(layer: Path) -> str:
    from rumpun.weights.layer_file import read_spec

    return read_spec(layer).base_name


def given_base(work: Work) -> Path | None:
    """The GGUF of a base among the inputs, where one is there.

    Raises:
        InputError: the base has not exactly one.
    """
    for item in work.inputs:
        if item.manifest.kind != "base":
            continue
        files = sorted(item.folder.glob("*.gguf"))
        if len(files) != 1:
            raise InputError(f"{item.folder}: {len(files)} GGUF files, expected one", "make the base again")
        return files[0]
    return None


def _summary(target: Path, params: ExportParams, choice: Choice) -> dict[str, Any]:
    from rumpun.weights.gguf_file import describe, read_gguf

    file = read_gguf(target)
    about = describe(target)
    return {
        "size_bytes": about.size,
        "quantisation": choice.quantisation,
        "asked": params.quantisation,
        "tensors": dict(Counter(entry.type for entry in file.tensors.values())),
        "kept_f16": len(file.get("rumpun.kept_f16", [])),
        "parameters": about.parameters,
        "vocabulary": about.vocabulary,
        "context_tokens": about.context_tokens,
    }


def measured(target: Path, tokens: int) -> dict[str, Any]:
    """Figures, or why there are none: a file that is whole is kept even where it cannot be timed."""
    import msgspec

    from rumpun.edge.bench import measure

    try:
        found = measure(target, prompt_tokens=tokens, decode_tokens=tokens)
    except RumpunError as error:
        return {"not_measured": error.message}
    shown: dict[str, Any] = msgspec.to_builtins(found)
    return {key: value for key, value in shown.items() if key not in ("file", "size_bytes", "quantisation")}


def tools() -> dict[str, str]:
    """Libraries that bear on the file -> their versions."""
    from importlib.metadata import version

    return {name: version(name) for name in ("gguf", "numpy")}
