"""The step `layer.prefer`: a layer and preference pairs to a layer that prefers as they do.

The model compared with is the layer at the start; its log-probabilities are computed once and kept beside the checkpoint.
"""

import json
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rumpun.engines.bases import as_folder
from rumpun.errors import InputError
from rumpun.layer.base import base_facts, base_source
from rumpun.layer.prefer.build import PREFERENCES
from rumpun.layer.prefer.params import PreferParams
from rumpun.layer.train import deterministic, place_base, write_trained
from rumpun.steps import Outcome, Work, step

if TYPE_CHECKING:
    import torch

    from rumpun.layer.earlier import Earlier
    from rumpun.layer.params import TrainParams
    from rumpun.layer.prefer.tokens import Pair
    from rumpun.layer.prepared import Run

__all__ = ["PreferParams", "prefer"]

_EDGE = 0.1  # share of the steps that "first" and "last" figures are taken over


@step(kind="layer", version=2, identity=base_facts, part="train", needs=("preferences", "layer"))
def prefer(params: PreferParams, work: Work) -> Outcome:
    """Go on from a layer's products with preference pairs; the loss is on the answers, in the base's own chat form."""
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    from rumpun.layer.earlier import read_earlier, tokenizer_folder
    from rumpun.layer.prefer.tokens import read_pairs
    from rumpun.layer.prepared import find_device, prepare
    from rumpun.layer.tokenizer import Tokenizer, embedding_rows

    given = work.input("preferences").folder
    base = place_base(params.base, work, work.folder)
    folder = as_folder(base, work.progress)
    earlier = read_earlier(work.input("layer"), base)
    shape = _shape(params, earlier)
    place, rows = folder, embedding_rows(folder)
    if earlier.spec.tokens:
        place = tokenizer_folder(base, earlier.spec, work.scratch / "tokenizer")
        rows += len(earlier.spec.tokens)
    tokenizer = Tokenizer(place, rows)
    dropped: Counter[str] = Counter()
    pairs, held = (
        read_pairs(given / name, tokenizer, params.sequence_tokens, dropped)
        for name in (PREFERENCES, f"heldout/{PREFERENCES}")
    )
    _enough(given / PREFERENCES, len(pairs), params, dropped)
    device = find_device(shape)
    started = time.monotonic()
    with deterministic(torch, device.place.type == "cpu"):
        run = prepare(folder, shape, device, work.seed, earlier.rows)
        begun = earlier.begin(shape, run)
        figures, found = _train(run, shape, pairs, held, params, work=work)
    seconds = time.monotonic() - started
    data = earlier.input.manifest.summary.get("data")  # its place in the text, where a run may go on
    write_trained(shape, work, run, base, earlier)
    _write_figures(work.folder / "preferences-steps.jsonl", figures)
    return Outcome(
        sources=(base_source(base, params.base),),
        languages=tuple(sorted({pair.language for pair in pairs} | set(earlier.input.manifest.languages))),
        summary={
            "method": params.method,
            "steps": len(figures),
            "pairs": len(pairs),
            "preferences": f"{len(pairs):,} pairs, {params.method}",  # for a card
            "dropped": dict(dropped),
            "seconds": round(seconds, 1),  # of the process that finished
            "rank": shape.rank,
            "alpha": shape.alpha,
            "targets": list(run.targets),
            "trained_parameters": sum(p.numel() for p in run.parameters.values()),
            "device": run.device.words,
            "precision": str(run.device.dtype).removeprefix("torch."),
            "training": _edges(figures),
            "held_out": found,
        }
        | begun
        | ({"data": data} if data else {}),
        tools={"torch": str(torch.__version__), "transformers": str(transformers.__version__)},
    )


def _shape(params: PreferParams, earlier: "Earlier") -> "TrainParams":
    if not earlier.products:
        raise InputError(
            f"{earlier.input.folder}: holds no products yet",
            "teach it to answer first, with layer.train or layer.tune",
        )
    spec = earlier.spec
    return params.training(
        rank=spec.rank,
        alpha=spec.alpha,
        targets=tuple(name for name in spec.targets if name != "embed_tokens"),
        embeddings_rank=spec.rank if "embed_tokens" in spec.targets else 0,
    )


def _enough(path: Path, pairs: int, params: PreferParams, dropped: Counter[str]) -> None:
    if int(params.epochs * pairs / params.batch_pairs) == 0:
        left = "; ".join(f"{count} {why}" for why, count in dropped.items())
        raise InputError(
            f"{path}: {pairs} pairs for {params.epochs:g} epochs, one batch is {params.batch_pairs}"
            f"{f' (left out: {left})' if left else ''}",
            "lower batch_pairs, raise epochs or sequence_tokens, or add pairs",
        )


def _train(
    run: "Run", shape: "TrainParams", pairs: "list[Pair]", held: "list[Pair]", params: PreferParams, *, work: Work
) -> "tuple[torch.Tensor, dict[str, Any]]":  # fmt: skip
    """The figures of each step, and of the held-out pairs."""
    import torch

    from rumpun.layer.prefer.held import held_figures, margins
    from rumpun.layer.prefer.loop import Training, answer_tokens, scores, train_pairs
    from rumpun.layer.prefer.losses import needs_reference

    kept: dict[str, Any] = {"every_seconds": params.checkpoint_seconds, "progress": work.progress}
    with torch.no_grad():
        run.refresh()
    before = scores(run, held, keep=work.scratch / "held-start.safetensors", **kept)
    reference = torch.zeros(len(pairs), 2)
    if needs_reference(params.method):
        reference = scores(run, pairs, keep=work.scratch / "start.safetensors", **kept)
    training = Training(pairs, reference, params, shape, work.seed)
    figures = train_pairs(run, training, work.scratch, progress=work.progress)
    after = scores(run, held, **kept)
    tokens = answer_tokens(held) if held else torch.zeros(0, 2)
    margin = margins(params, after, before, tokens)
    likelier = [((said / tokens)[:, 0] > (said / tokens)[:, 1]).numpy() for said in (before, after)]
    return figures, held_figures(held, margin, (likelier[0], likelier[1]))


def _write_figures(path: Path, figures: "torch.Tensor") -> None:
    """One line a step: means over its pairs. No times, so that equal runs write equal bytes."""
    with path.open("w", encoding="utf-8") as stream:
        for number, row in enumerate(figures, 1):
            stream.write(json.dumps({"step": number} | _means(row)) + "\n")


def _means(sums: "torch.Tensor") -> dict[str, float]:
    from rumpun.layer.prefer.loop import FIGURES

    means = (sums / sums[-1]).tolist()
    return {name: round(value, 5) for name, value in zip(FIGURES[:-1], means, strict=False)}


def _edges(figures: "torch.Tensor") -> dict[str, dict[str, float]]:
    edge = max(1, int(len(figures) * _EDGE))
    return {"first": _means(figures[:edge].sum(0)), "last": _means(figures[-edge:].sum(0))}
