"""A model without the tokens that a device never needs; the step `edge.trim`.

[steps.phone]
uses = "edge.trim"
needs = ["edge"]             # a GGUF; or a layer, whose base is found or given as in edge.export
with = { keep_languages = ["id", "th", "en"], quantisation = "Q4_0" }

What is kept is cut and scored as before; that it is cut so is proven before the file takes its name. Text of what is
dropped still works: it goes in bytes, at more tokens a character.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec

from rumpun.edge.export import FILE, base_of_layer, given_base, layer_metadata, measured, tools
from rumpun.edge.keep import Kept, Tally, Tokenize, choose
from rumpun.edge.tokens import Cost, cost_of, counting, dearer, number_cut, prove
from rumpun.errors import InputError, UsageError, nearest
from rumpun.records.artefacts import sha256_file
from rumpun.steps import Outcome, Progress, Work, quiet, step
from rumpun.weights.kinds import QUANTISATIONS, Quantisation
from rumpun.weights.trim import Pieces, read_pieces, trimmed_size
from rumpun.weights.trim import trim as write

__all__ = ["TrimParams", "Trimmed", "trim", "trim_file"]

KEY: Final = "rumpun.trim"  # in the file's metadata: what was dropped, as JSON
Metadata = Mapping[str, str | list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrimParams:
    """What stays, and how it is written."""

    keep_languages: tuple[str, ...] = ()  # their most usual script is kept whole; "ms-Arab" names another
    keep_scripts: tuple[str, ...] = ()  # kept whole; ISO 15924
    keep_text: tuple[str, ...] = ()  # files whose pieces are kept besides: plain text, or .jsonl with `text`
    min_count: int = 1  # how often a piece must stand in them
    quantisation: Quantisation | None = None  # of the matrices; as it is, and Q8_0 for a layer
    embeddings: Quantisation | None = None  # of embedding and output; by default Q8_0 where matrices are Q4
    name: str = ""  # general.name; by default the source's with "trimmed"
    measure: bool = True  # time the file before and after
    measure_tokens: int = 64  # prompt and generated tokens of each of three runs

    def check(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            ValueError: nothing to keep, or a count below 1.
        """
        if not (self.keep_languages or self.keep_scripts or self.keep_text):
            raise ValueError("nothing to keep: keep_languages, keep_scripts or keep_text is needed")
        for name in ("min_count", "measure_tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)}, expected 1 or more")


class Trimmed(msgspec.Struct, frozen=True, kw_only=True):
    """What trimming did, or would do."""

    source: str
    file: str  # empty where nothing was written
    quantisation: str
    tokens_before: int
    tokens_after: int
    size_bytes_before: int  # of the source
    size_bytes_untrimmed: int  # of the source in the quantisation asked for, every token kept
    size_bytes_after: int
    scripts: tuple[str, ...]  # kept whole
    narrowed: tuple[str, ...]  # kept as far as the texts need them
    tally: tuple[Tally, ...]  # tokens of each script
    cost: dict[str, Cost]  # language -> tokens a character
    numbers: str  # how a number is cut: "2·0·2·7"
    notes: tuple[str, ...]
    speed_before: dict[str, Any] | None = None  # as `rumpun edge bench` gives it, of the untrimmed file
    speed_after: dict[str, Any] | None = None


def _identity(params: TrimParams) -> dict[str, Any]:
    return {"keep_text": [sha256_file(_text(name)) for name in params.keep_text]}


@step(kind="gguf", version=1, identity=_identity)
def trim(params: TrimParams, work: Work) -> Outcome:
    """Inputs: a GGUF, or a layer and a base where it is not known by name. Writes `model.gguf`."""
    kinds = {item.manifest.kind: item for item in work.inputs}
    given = kinds.get("gguf")
    metadata: dict[str, str | list[str]] = {
        "rumpun.id": work.key,
        "rumpun.parents": [item.manifest.id for item in work.inputs],
    }
    if given is not None:
        layer, source, above = None, given.folder / FILE, given
    else:
        above = work.input("layer")
        layer, source = above.folder, given_base(work) or base_of_layer(above.folder, work.progress)
        metadata |= layer_metadata(above.manifest)
    name = params.name or f"{above.manifest.name or above.name}-trimmed"
    found = trim_file(
        source,
        work.folder / FILE,
        params,
        layer=layer,
        metadata=metadata | {"general.name": name},
        scratch=work.scratch,
        progress=work.progress,
    )
    summary = msgspec.to_builtins(found)
    for key in ("source", "file"):
        del summary[key]
    return Outcome(name=name, summary=summary, tools=tools())


def trim_file(
    source: Path,
    target: Path | None,
    params: TrimParams,
    *,
    layer: Path | None = None,
    metadata: Metadata | None = None,
    scratch: Path | None = None,
    progress: Progress = quiet,
) -> Trimmed:
    """Write a GGUF without the tokens that `params` do not keep; without a target only say what would go.

    Args:
        source: a GGUF with a byte-level BPE or a SentencePiece vocabulary.
        target: takes its name when the file is whole.
        params: what stays.
        layer: put on the source first.
        metadata: keys to set in the file.
        scratch: where the untrimmed file lies meanwhile, if one has to be made.
        progress: called with (bytes done, bytes in all, tensor).

    Raises:
        UsageError: a name is unknown, nothing would be dropped or left, or the target is the source.
        InputError: the source or a text cannot be used, or its text would be cut otherwise.
        EnvironmentFault: the target cannot be written.
    """
    from rumpun.weights.gguf_file import describe, read_gguf

    _check(source, target, params)
    with (
        _untrimmed(source, layer, params, scratch, progress) as whole,
        TemporaryDirectory(dir=scratch) as folder,
    ):
        file = read_gguf(whole)
        pieces = read_pieces(file)
        with counting(whole) as before:
            kept = _chosen(source, pieces, params, str(file.get("tokenizer.chat_template", "")), before)
            with counting(whole, kept.ids, Path(folder)) as after:
                prove(whole, kept.ids, before, after)
                cost = cost_of(before, after, kept.scripts)
            numbers = number_cut(pieces, before)
        given = dict(metadata or {}) | {KEY: _shown(source, params, kept, len(pieces.tokens))}
        size = trimmed_size(whole, kept.ids, metadata=given)
        if target is not None:
            write(whole, kept.ids, target, metadata=given, progress=progress)
        speeds = (
            [measured(path, params.measure_tokens) for path in (whole, target)]
            if target is not None and params.measure
            else [None, None]
        )
        return Trimmed(
            source=str(source),
            file=str(target or ""),
            quantisation=describe(whole).quantisation,
            tokens_before=len(pieces.tokens),
            tokens_after=len(kept.ids),
            size_bytes_before=source.stat().st_size,
            size_bytes_untrimmed=whole.stat().st_size,
            size_bytes_after=size,
            scripts=kept.scripts,
            narrowed=kept.narrowed,
            tally=kept.tally,
            cost=cost,
            numbers=numbers.shown,
            notes=(*kept.notes, *numbers.notes, *dearer(cost, kept)),
            speed_before=speeds[0],
            speed_after=speeds[1],
        )


def _chosen(source: Path, pieces: Pieces, params: TrimParams, template: str, tokenize: Tokenize) -> Kept:
    """What stays by `params`; refused where nothing would go."""
    kept = choose(
        pieces,
        scripts=params.keep_scripts,
        tags=params.keep_languages,
        texts=[_text(name) for name in params.keep_text],
        min_count=params.min_count,
        template=template,
        tokenize=tokenize,
    )
    if len(kept.ids) == len(pieces.tokens):
        raise UsageError(
            f"{source}: every one of its {len(pieces.tokens):,} tokens would stay", "keep fewer scripts"
        )
    return kept


def _check(source: Path, target: Path | None, params: TrimParams) -> None:
    for asked in (params.quantisation, params.embeddings):
        if asked is not None and asked not in QUANTISATIONS:
            raise UsageError(f"quantisation = '{asked}'", nearest(asked, list(QUANTISATIONS)))
    try:
        params.check()
    except ValueError as error:
        raise UsageError(
            str(error), "add --keep-languages id,th,en, --keep-scripts Latn,Thai or --keep-text FILE"
        ) from error
    if target is None:
        return
    if target.is_dir():
        raise UsageError(f"--out = {target} is a folder", "name the file to write, such as phone.gguf")
    if target.resolve() == source.resolve():
        raise UsageError(f"--out = {target} is the model itself", "name another file")


@contextlib.contextmanager
def _untrimmed(
    source: Path, layer: Path | None, params: TrimParams, scratch: Path | None, progress: Progress
) -> Iterator[Path]:
    """The file to trim: the source itself, or one with the layer and in the quantisation asked for."""
    if layer is None and params.quantisation is None and params.embeddings is None:
        yield source
        return
    from rumpun.weights.assemble import assemble
    from rumpun.weights.gguf_file import describe

    asked = params.quantisation or ("Q8_0" if layer is not None else describe(source).quantisation)
    if asked not in QUANTISATIONS:
        raise UsageError(
            f"{source} is {asked}, which is not written here", "name a quantisation besides: Q8_0"
        )
    with TemporaryDirectory(dir=scratch) as folder:
        whole = Path(folder) / "untrimmed.gguf"
        assemble(source, layer, whole, asked, embeddings=params.embeddings, progress=progress)
        yield whole


def _text(name: str) -> Path:
    path = Path(name).expanduser()
    if not path.is_file():
        raise InputError(f"keep_text: {name}: no such file", "name a file of text")
    return path


def _shown(source: Path, params: TrimParams, kept: Kept, tokens: int) -> str:
    """What was dropped, as JSON for the file's metadata."""
    facts = {
        "source_sha256": sha256_file(source),
        "languages": params.keep_languages,
        "scripts": kept.scripts,
        "texts_sha256": [sha256_file(_text(name)) for name in params.keep_text],
        "min_count": params.min_count,
        "tokens": [tokens, len(kept.ids)],
        "kept": {entry.script: entry.kept for entry in kept.tally},
        "dropped": {entry.script: entry.dropped for entry in kept.tally if entry.dropped},
    }
    return msgspec.json.encode(facts).decode()
