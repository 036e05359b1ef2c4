"""The step `layer.extend`: a base and a corpus to a layer of new vocabulary."""

import glob
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rumpun.engines.bases import find_base
from rumpun.errors import InputError, UsageError
from rumpun.layer.base import base_name, base_sha256, base_source
from rumpun.layer.params import ExtendParams
from rumpun.records.artefacts import MANIFEST, read_manifest
from rumpun.records.private import is_private
from rumpun.steps import Outcome, Progress, Work, step
from rumpun.weights.layer_file import TENSORS_FILE, LayerSpec, write_layer

__all__ = ["TABLE_FILE", "ExtendParams", "Extended", "extend", "extend_files", "refuse_private"]

TABLE_FILE = "table.json"


@dataclass(frozen=True, slots=True)
class Extended:
    """What was made, for a manifest or a terminal."""

    rows: list[dict[str, Any]]  # of `table.cost_table`
    summary: dict[str, Any]
    languages: tuple[str, ...]


def _facts(params: ExtendParams) -> dict[str, Any]:
    """The hashes of the base and the files that the recipe names."""
    from rumpun.records.artefacts import sha256_file

    facts: dict[str, Any] = {"kept": [sha256_file(path) for path in _kept_files(params)]}
    if params.base != "base" and Path(params.base).expanduser().exists():
        facts["base_sha256"] = base_sha256(find_base(params.base))
    return facts


@step(kind="layer", version=1, identity=_facts, part="train", needs=("corpus",))
def extend(params: ExtendParams, work: Work) -> Outcome:
    """Learn subwords on the corpus and give them rows; writes a layer without products, and `table.json`."""
    import tokenizers

    from rumpun.layer.vocabulary.texts import read_corpus

    corpus = work.input("corpus").folder
    refuse_private(corpus)
    texts = read_corpus(corpus, params.bytes_max, params.parallel_sources)
    base = find_base(params.base, work.progress)
    made = _make(base, texts, params, work.folder, work.progress)
    return Outcome(
        sources=(base_source(base, params.base),),
        languages=made.languages,
        summary=made.summary,
        tools={"tokenizers": tokenizers.__version__},
    )


def extend_files(
    paths: list[Path], held_out: list[Path], params: ExtendParams, folder: Path, progress: Progress
) -> Extended:
    """The same from a corpus's folder or from files of documents; what is written is no artefact and has no lineage.

    Raises:
        InputError: there is no text, a file is damaged, or the base's tokenizer is of a kind that takes no new tokens.
    """
    from rumpun.layer.vocabulary.texts import read_corpus, read_files

    if len(paths) == 1 and paths[0].is_dir():
        refuse_private(paths[0])
        texts = read_corpus(paths[0], params.bytes_max, params.parallel_sources)
    else:
        texts = read_files(paths, held_out, params.bytes_max, params.parallel_sources)
    return _make(find_base(params.base, progress), texts, params, folder, progress)


def refuse_private(corpus: Path) -> None:
    """Refuse a corpus with private rows: a token is spelt out in the layer, however rare it is."""
    if (corpus / MANIFEST).is_file() and is_private(read_manifest(corpus)):
        raise UsageError(
            f"{corpus}: private rows stand in it, and a token learnt from them would be spelt out in the layer",
            "learn the vocabulary on a corpus without them",
        )


def _make(base: Path, texts: Any, params: ExtendParams, folder: Path, progress: Progress) -> Extended:
    from rumpun.layer.vocabulary.base import BaseTokenizer
    from rumpun.layer.vocabulary.learn import code_reference, learn
    from rumpun.layer.vocabulary.rows import first_rows
    from rumpun.layer.vocabulary.table import changed_tokens, cost_table
    from rumpun.weights.gguf_write import whole_file

    tokenizer = BaseTokenizer(base, progress)
    code = [code_reference(), *(_text(path) for path in _kept_files(params))]
    found = learn(tokenizer, texts, code, params, progress)
    if not found.tokens:
        raise InputError(
            f"{base}: no new token: the text is too little, or the base has them all", "name more text"
        )
    after = tokenizer.tokenizer(found.tokens, found.merges)
    rows = cost_table(tokenizer.inner, after, texts)
    held = [text for tag in params.kept_languages for text in texts.held_out.get(tag, ())]
    summary = {
        "tokens": len(found.tokens),
        "merges": len(found.merges),
        "clusters": len(found.clusters),
        "refused": dict(found.refused),
        "initialise": params.initialise,
        "table": rows,
        "kept_code_changed": changed_tokens(tokenizer.inner, after, code),
        "kept_held_out_texts": len(held),
        "kept_held_out_changed": changed_tokens(tokenizer.inner, after, held),
    }
    spec = LayerSpec(
        base_name=base_name(base, params.base),
        base_sha256=base_sha256(base),
        architecture=str(tokenizer.file.architecture),
        rank=1,
        alpha=1.0,
        targets=(),
        tokens=found.tokens,
        merges=found.merges,
    )
    write_layer(folder, spec, first_rows(tokenizer, found.merged, found.clusters, params.initialise))
    with whole_file(folder / TABLE_FILE) as stream:
        stream.write(json.dumps(rows, indent=1).encode() + b"\n")
    summary["bytes"] = (folder / TENSORS_FILE).stat().st_size
    return Extended(
        rows, summary, tuple(tag for tag in sorted(texts.train) if tag not in params.kept_languages)
    )


def _kept_files(params: ExtendParams) -> list[Path]:
    """Files that the recipe's paths and globs name, in order.

    Raises:
        InputError: one of them names nothing.
    """
    found: list[Path] = []
    for name in params.kept_files:
        paths = sorted(glob.glob(str(Path(name).expanduser()), recursive=True))  # noqa: PTH207  # of any root
        if not paths:
            raise InputError(f"kept_files: '{name}' names no file", "mend the path, or take it out")
        found += [Path(path) for path in paths if Path(path).is_file()]
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})", "check its permissions") from error
