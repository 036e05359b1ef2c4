"""The step `evaluate.bpb`: a corpus's held-out text and a layer -> bits per byte of base and layer.

Both are measured as transformers folders in float32, so that the difference is the layer and no quantisation. Scores are
kept as they come; a killed run scores no finished batch again.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rumpun.engines.bases import as_folder, as_gguf, base_of_layer
from rumpun.errors import UsageError
from rumpun.evaluate.bpb import BATCH, EMPTY, figures, score_texts
from rumpun.evaluate.texts import Text, held_out
from rumpun.steps import Input, Outcome, Progress, Work, step

__all__ = ["FILE", "BpbParams", "bpb"]

FILE = "bpb.json"
FORGETTING = "en"  # the language that the base knows, watched for what a layer makes it forget


@dataclass(frozen=True, slots=True, kw_only=True)
class BpbParams:
    """What to measure."""

    languages: tuple[str, ...] = ()  # tags; empty: all that the corpus holds out
    documents_max: int = 60  # of a language
    draws: int = 10_000  # of the documents, for the intervals

    def check(self) -> None:
        """Refuse counts that measure nothing."""
        if self.documents_max < 1:
            raise ValueError(f"documents_max = {self.documents_max}, expected 1 or more")
        if self.draws < 100:
            raise ValueError(f"draws = {self.draws}, expected 100 or more")


@step(kind="evaluation", version=1, part="eval", needs=("corpus",))
def bpb(params: BpbParams, work: Work) -> Outcome:
    """Inputs: a corpus, a layer and, where there is one, the merged model; or a corpus and a model of `layer.full`. Writes `bpb.json`.

    A second layer among the inputs is the parent that the first was grown from; it is measured too, and the table says how
    far the child is from it: `parent` in bits per byte and `from_parent`, child minus parent, 95 %; then also by held-out
    source, under `sources`, since what is gained in a domain and what is lost elsewhere may share a language.
    """
    import torch
    import transformers

    from rumpun.language.tables import WORKING

    layer = _trained(work)
    texts = held_out(work.input("corpus").folder, params.languages, params.documents_max, work.seed)
    missing = sorted(set(params.languages) - {text.language for text in texts})
    if missing:
        raise UsageError(
            f"languages: nothing is held out in {', '.join(missing)}",
            "drop them, or add held_out_sources in the corpus step",
        )
    sources: dict[str, Any] = {}
    parent = next((item for item in work.inputs if item.manifest.kind == "layer" and item != layer), None)
    base = as_folder(base_of_layer(layer.folder, work.progress), work.progress)
    against = _scored("base", base, texts, work, 0)
    model = _scored("layer", _merged(work, layer), texts, work, len(texts))
    table = figures(texts, model, against, draws=params.draws, seed=work.seed)
    measured: dict[str, Any] = table["languages"]
    if parent is not None:
        _same_base(layer, parent)
        before = _scored("parent", _written(parent, work), texts, work, len(texts))
        apart = figures(texts, model, before, draws=params.draws, seed=work.seed)["languages"]
        for tag, row in measured.items():
            row |= {"parent": apart[tag]["against"], "from_parent": apart[tag]["difference"]}
        sources = _by_source(texts, model, against, before, params=params, seed=work.seed)
    rows = {
        tag: measured.get(tag, EMPTY) for tag in [*WORKING, *(tag for tag in measured if tag not in WORKING)]
    }
    whole = {"languages": rows} | ({"sources": sources} if sources else {})
    (work.folder / FILE).write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    return Outcome(
        languages=tuple(measured),
        summary={
            "languages": measured,
            "forgetting": measured.get(FORGETTING),
            "documents": len(texts),
            "documents_max": params.documents_max,
            "bytes": sum(text.bytes for text in texts),
            "precision": "float32",
        },
        tools={"torch": str(torch.__version__), "transformers": str(transformers.__version__)},
    )


def _trained(work: Work) -> Input:
    """The layer; without one the model whose every weight was trained, which names its base as a layer does."""
    kinds = {item.manifest.kind for item in work.inputs}
    fully = [item for item in work.inputs if item.manifest.maker.step == "layer.full"]
    return fully[0] if fully and "layer" not in kinds else work.input("layer")


def _merged(work: Work, layer: Input) -> Path:
    for item in work.inputs:
        if item.manifest.kind == "model":
            return item.folder
    return _written(layer, work)


def _by_source(
    texts: Sequence[Text],
    model: Sequence[float],
    base: Sequence[float],
    parent: Sequence[float],
    *,
    params: BpbParams,
    seed: int,
) -> dict[str, dict[str, Any]]:
    """Language -> source -> the columns of the whole table."""
    apart = [replace(text, language=f"{text.language}\n{text.source}") for text in texts]
    told = figures(apart, model, base, draws=params.draws, seed=seed)["languages"]
    from_parent = figures(apart, model, parent, draws=params.draws, seed=seed)["languages"]
    found: dict[str, dict[str, Any]] = {}
    for key, row in told.items():
        tag, _, source = key.partition("\n")
        more = {"parent": from_parent[key]["against"], "from_parent": from_parent[key]["difference"]}
        found.setdefault(tag, {})[source] = row | more
    return found


def _written(layer: Input, work: Work) -> Path:
    """The base with a layer, as a transformers folder that goes with the scratch."""
    from rumpun.weights.folder import write_folder

    folder = work.scratch / f"merged-{layer.manifest.id}"
    write_folder(as_gguf(base_of_layer(layer.folder)), folder, layer=layer.folder, progress=work.progress)
    return folder


def _same_base(layer: Input, parent: Input) -> None:
    from rumpun.weights.layer_file import read_spec

    ours, theirs = (read_spec(item.folder).base_sha256 for item in (layer, parent))
    if ours != theirs:
        raise UsageError(
            f"{parent.name}: a layer on the base {theirs[:12]}…, and {layer.name} stands on {ours[:12]}…",
            "name the layer that this one was grown from",
        )


def _scored(name: str, folder: Path, texts: Sequence[Text], work: Work, before: int) -> list[float]:
    """Scores of every text, going on from those that an earlier, killed run wrote."""
    path = work.scratch / f"scores-{name}.jsonl"
    found = _finished(path)
    found = found[: len(found) // BATCH * BATCH] if len(found) < len(texts) else found[: len(texts)]
    if len(found) == len(texts):
        return found
    from rumpun.engines.hf import Transformers

    path.write_text(
        "".join(f"{json.dumps(nats)}\n" for nats in found), encoding="utf-8"
    )  # without a torn last line
    progress: Progress = work.progress
    engine = Transformers(folder, name=name, dtype="float32")
    try:
        with path.open("a", encoding="utf-8") as stream:
            for start in range(len(found), len(texts), BATCH):
                progress(before + start, 2 * len(texts), f"scoring with the {name}")
                scores = score_texts(engine, texts[start : start + BATCH])
                stream.write("".join(f"{json.dumps(nats)}\n" for nats in scores))
                stream.flush()
                os.fsync(stream.fileno())
                found += scores
    finally:
        engine.close()
    return found


def _finished(path: Path) -> list[float]:
    """Whole lines of a file of scores; what a kill tore off is left out."""
    if not path.is_file():
        return []
    whole = path.read_text(encoding="utf-8").split("\n")[:-1]
    return [float(line) for line in whole]
