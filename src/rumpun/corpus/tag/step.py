"""The step `corpus.tag`: documents -> attributes, one row beside every document, in the same parts.

`part-N.parquet` has `key` and every tagger's columns. The artefact's id holds each tagger's version, options and facts (the
hashes of its models and lists), so a changed tagger tags anew and nothing else does.
"""

import functools
import json
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rumpun.corpus.tag.taggers import Tagger, make, ordered
from rumpun.errors import UsageError
from rumpun.steps import Input, Outcome, Work, step

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["TagParams", "tag", "tag_part", "tag_table"]

_NEEDED = ("key", "text", "language", "source")


@dataclass(frozen=True, slots=True, kw_only=True)
class TagParams:
    """Which taggers run, and how."""

    taggers: tuple[str, ...] = (
        "normalise", "language", "figures", "minhash", "personal", "toxicity", "decontaminate",
    )  # fmt: skip
    options: dict[str, dict[str, Any]] = field(default_factory=dict)  # tagger -> its options

    def check(self) -> None:
        """Refuse what cannot be meant."""
        for name in self.options:
            if name not in (*self.taggers, "quality"):
                raise ValueError(f"options.{name}: the tagger '{name}' is not among taggers")
        for name in ordered(self.taggers):
            make(name, self.options.get(name))


def _identity(params: TagParams) -> Mapping[str, Any]:
    made = [make(name, params.options.get(name)) for name in ordered(params.taggers)]
    return {tagger.name: {"version": tagger.version, "facts": tagger.facts()} for tagger in made}


@step(kind="attributes", version=1, identity=_identity, part="corpus", needs=("documents",))
def tag(params: TagParams, work: Work) -> Outcome:
    """Give every document its figures.

    Raises:
        UsageError: the tagger `quality` has no model.
        InputError: the documents cannot be read.
    """
    import pyarrow as pa

    from rumpun.corpus import engine
    from rumpun.corpus.parts import part_paths, place

    chosen = _chosen(params, work)
    paths = part_paths(work.input("documents").folder)
    units = [{"number": number, "path": str(path)} for number, path in enumerate(paths)]
    made = work.scratch / "parts"
    results = engine.map_parts(
        functools.partial(tag_part, taggers=json.dumps(chosen), folder=str(made)),
        units,
        progress=work.progress,
        note="documents tagged, by parts",
        keep=work.scratch / "results",
    )
    for path in [*sorted(made.glob("part-*.parquet")), *sorted(work.scratch.glob("benchmarks.*"))]:
        place(path, work.folder / path.name)
    seconds: dict[str, float] = defaultdict(float)
    for result in results:
        for name, spent in result["cpu_seconds"].items():
            seconds[name] += spent
    taggers = [make(name, options) for name, options in chosen]
    return Outcome(
        summary={
            "documents": sum(result["documents"] for result in results),
            "characters": sum(result["characters"] for result in results),
            "bytes": sum(result["bytes"] for result in results),
            "parts": len(results),
            "cpu_seconds": {name: round(spent, 3) for name, spent in seconds.items()},
            "taggers": {item.name: {"version": item.version, "facts": item.facts()} for item in taggers},
        },
        tools={"pyarrow": pa.__version__},
    )


def _chosen(params: TagParams, work: Work) -> list[tuple[str, dict[str, Any]]]:
    """(tagger, options) as the workers get them: with the model and the hashes that this run made or was given."""
    model = next((item for item in work.inputs if item.manifest.kind == "quality"), None)
    names = list(params.taggers)
    if model is not None and "quality" not in names:  # who names a model among `needs` wants its score
        names.append("quality")
    chosen = []
    for name in ordered(names):
        options = dict(params.options.get(name, {}))
        if name == "quality":
            options = _with_model(options, model)
        if name == "decontaminate":
            from rumpun.corpus.tag.taggers.decontaminate import Decontaminate, prepare

            tagger = make(name, options)
            assert isinstance(tagger, Decontaminate)
            options["prepared"] = str(prepare(tagger, work.scratch))
        chosen.append((name, options))
    return chosen


def _with_model(options: dict[str, Any], model: Input | None) -> dict[str, Any]:
    if model is not None:
        return options | {"model": str(model.folder)}
    if "model" not in options:
        raise UsageError(
            "the tagger 'quality' has no model",
            "add a step that uses corpus.train_quality and name it in `needs`, or take 'quality' out of taggers",
        )
    return options


@functools.lru_cache(maxsize=4)
def _taggers(chosen: str) -> tuple[Tagger, ...]:
    """A worker's taggers: made once, with the models that they have loaded."""
    return tuple(make(name, options) for name, options in json.loads(chosen))


def tag_part(unit: Mapping[str, Any], *, taggers: str, folder: str) -> dict[str, Any]:
    """In a worker: tag one part and write its attributes.

    Args:
        unit: `number` of the part and its `path`.
        taggers: JSON of (name, options) of each tagger, in their order.
        folder: where `part-N.parquet` is written.
    """
    import pyarrow.compute as pc

    from rumpun.corpus.parts import read_part, write_part

    documents = read_part(Path(unit["path"]), _NEEDED)
    seconds: dict[str, float] = defaultdict(float)
    attributes = tag_table(documents, _taggers(taggers), seconds)
    write_part(Path(folder), int(unit["number"]), attributes)
    return {
        "documents": documents.num_rows,
        "characters": pc.sum(pc.utf8_length(documents["text"])).as_py() or 0,
        "bytes": pc.sum(pc.binary_length(documents["text"])).as_py() or 0,
        "cpu_seconds": dict(seconds),
    }


def tag_table(
    documents: "pa.Table",
    taggers: "tuple[Tagger, ...] | list[Tagger]",
    seconds: dict[str, float] | None = None,
) -> "pa.Table":
    """The attributes of a table of documents: `key`, and every tagger's columns; in slices, so that memory stays flat.

    Args:
        documents: with key, text, language and source.
        taggers: in the order in which they run.
        seconds: where the processor seconds of each tagger are added up.
    """
    import pyarrow as pa

    from rumpun.corpus.tag.batch import Batch, slices

    columns = {name: documents[name].to_pylist() for name in ("text", "language", "source")}
    schema = pa.schema([("key", pa.uint64()), *(field for tagger in taggers for field in tagger.columns)])
    pieces = []
    for first, last in slices([len(text) for text in columns["text"]]):
        text, declared, sources = (columns[name][first:last] for name in ("text", "language", "source"))
        batch = Batch(text, declared, sources=sources)
        found: dict[str, pa.Array] = {"key": documents["key"].slice(first, last - first).combine_chunks()}
        for tagger in taggers:
            started = time.process_time()
            made = tagger.tag(batch)
            batch = batch.after(made)
            found |= made
            if seconds is not None:
                seconds[tagger.name] += time.process_time() - started
        pieces.append(pa.table([found[name] for name in schema.names], schema=schema))
    return pa.concat_tables(pieces) if pieces else schema.empty_table()
