"""The steps `layer.train`, base and corpus to a layer, and `layer.tune`, a layer and a corpus to a layer that knows more.

Reading order: `params`, `source` and `tokens` (text to numbers), `packed` (numbers that the corpus brings), `batches` (what
a step sees), `lowrank`, `added_rows` and `loss` (the mathematics), `earlier` (the layer that a run goes on from), `loop`,
`schedule`, `watch` (measurements while it runs), `live` and `curve` (what is seen of it), `checkpoint`.
"""

import dataclasses
import json
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rumpun.engines.bases import BESIDE, as_folder, find_base
from rumpun.errors import InputError
from rumpun.layer.base import base_name, base_sha256, base_source
from rumpun.layer.distributed import together
from rumpun.layer.params import KEPT_STATE, TrainParams, TuneParams
from rumpun.layer.tiny_base import TINY_NAME, write_tiny_base
from rumpun.steps import Input, Outcome, Work, step

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from rumpun.layer.batches import Batches, Plan
    from rumpun.layer.earlier import Earlier
    from rumpun.layer.loop import OneStep, Run, Trained
    from rumpun.layer.source import Source
    from rumpun.layer.tokenizer import Tokenizer
    from rumpun.layer.watch import Watch

__all__ = [
    "TrainParams", "TuneParams", "base_facts", "deterministic", "learn", "place_base", "train", "tune", "write_trained",
]  # fmt: skip

LOSSES, CURVE, PICTURE = "losses.jsonl", "curve.jsonl", "curve.svg"
_EDGE = 0.05  # share of the steps that "first" and "last" losses are taken over


def base_facts(params: TrainParams) -> dict[str, Any]:
    """The base's own hash, where the recipe names a file or folder."""
    place = Path(params.base).expanduser()
    if params.base in ("base", TINY_NAME) or not place.exists():
        return {}
    return {"base_sha256": base_sha256(find_base(params.base))}


@step(kind="layer", version=2, identity=base_facts, part="train", needs=("corpus",))
def train(params: TrainParams, work: Work) -> Outcome:
    """Train low-rank products on a base with the corpus's text and, where asked for, its chat rows.

    A layer of new vocabulary may stand among the inputs: text is cut by it, and its rows are trained too.
    """
    found = next((item for item in work.inputs if item.manifest.kind == "layer"), None)
    return learn(params, work, found, ())


@step(kind="layer", version=2, identity=base_facts, part="train", needs=("corpus", "layer"))
def tune(params: TuneParams, work: Work) -> Outcome:
    """Go on from what an earlier layer of the same base, rank and targets learnt; inputs: a corpus and that layer."""
    return learn(params, work, work.input("layer"), params.chat_sources)


def learn(
    params: TrainParams, work: Work, found: Input | None, chat_sources: tuple[str, ...],
    taught: "Callable[[Run, Path], OneStep] | None" = None,
) -> Outcome:  # fmt: skip
    """Train on the corpus; `taught` makes another step of the run and its tokenizer's folder, as distillation needs."""
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    from rumpun.layer.batches import Batches, make_plan, over_cap
    from rumpun.layer.earlier import read_earlier, tokenizer_folder
    from rumpun.layer.loop import find_device, prepare, train_steps
    from rumpun.layer.source import CHAT
    from rumpun.layer.tokenizer import Tokenizer
    from rumpun.layer.tokens import tokenise

    corpus = work.input("corpus")
    base = place_base(params.base, work)
    folder = as_folder(base, work.progress)
    earlier = read_earlier(found, base) if found else None
    if earlier and earlier.products and not isinstance(params, TuneParams):
        raise InputError(f"{earlier.input.folder}: holds products already", "go on from it with layer.tune")
    place = folder
    if earlier and earlier.spec.tokens:
        place = tokenizer_folder(base, earlier.spec, work.scratch / "tokenizer")
    tokenizer = Tokenizer(place)
    sources, text_from = tokenise(
        corpus.folder, work.scratch / "tokens", tokenizer, work.progress,
        chat=params.chat_share > 0, chat_sources=chat_sources,
    )  # fmt: skip
    go_on = params.go_on if isinstance(params, TuneParams) else "weights"
    taken: dict[str, int] = {}
    if earlier and isinstance(params, TuneParams) and go_on != "weights":
        taken = earlier.taken(params, corpus.manifest.id, work.seed)
    plan = make_plan(sources, params, taken)
    _check_plan(plan, params, corpus.folder)
    capped = over_cap(sources, params, plan)
    _tell_caps(capped, params, work)
    device = find_device(params)
    started = time.monotonic()
    with (
        deterministic(torch, device.place.type == "cpu"),
        together(params, device, folder, work.seed, earlier, alone=taught is not None) as group,
    ):
        run = prepare(folder, params, device, work.seed, earlier.rows if earlier else None, group=group)
        watch = _watch(params, work, run, tokenizer, Tokenizer(folder) if place != folder else tokenizer)
        begun = _begin(earlier, params, run)
        if earlier and go_on == "state":
            earlier.begin_state(run)
        batches = Batches(sources, plan, params, work.seed, taken)
        one = taught(run, place) if taught else group.step if group else None
        again = dataclasses.replace(params, warmup_share=0.0) if go_on == "state" else params
        trained = train_steps(
            run, batches, plan, again, work.scratch, one=one, watch=watch, progress=work.progress
        )
    seconds = time.monotonic() - started
    losses, steps = trained.losses, len(trained.losses)
    kept = _keep(watch, params, run, steps)
    write_trained(params, work, run, base, earlier)
    _write_losses(work.folder / LOSSES, losses, batches)
    _write_curve(work, params, trained, batches, watch)
    seen = batches.taken(steps)
    plan = dataclasses.replace(
        plan, steps=steps, counts={name: seen.get(name, 0) - taken.get(name, 0) for name in plan.counts}
    )
    return Outcome(
        sources=(base_source(base, params.base),),
        languages=tuple(name for name in batches.names if name != CHAT),
        summary=_summary(params, run, plan, sources, seconds)
        | begun
        | {
            "text_from": text_from,
            "loss": _edges(losses, batches),
            "stopped": trained.stopped,
            "kept_step": kept,
            "processes": group.size if group else 1,
            "over_cap": capped,
            "data": {
                "corpus": corpus.manifest.id,
                "seed": work.seed,
                "sequence_tokens": params.sequence_tokens,
                "chat_sources": list(chat_sources),
                "taken": seen,
            },
        }
        | (watch.said(kept) if watch else {}),
        tools={"torch": str(torch.__version__), "transformers": str(transformers.__version__)},
    )


def _check_plan(plan: "Plan", params: TrainParams, corpus: Path) -> None:
    if plan.steps == 0:
        raise InputError(
            f"{corpus}: text for {sum(plan.counts.values())} sequences of {params.sequence_tokens} tokens, one batch"
            f" is {params.batch_sequences}", "raise epochs_max, lower batch_sequences, or add text"
        )  # fmt: skip


def _tell_caps(capped: dict[str, dict[str, float]], params: TrainParams, work: Work) -> None:
    """Refuse a share that the recipe names and the cap takes away; tell of the others, whose rest is shared out."""
    for name, passes in capped.items():
        words = f"{name}: the mixture asks for {passes['wanted']:g} passes over its text, epochs_max = {params.epochs_max:g}"
        if params.language_weights or name in params.replay.languages:
            raise InputError(words, "raise epochs_max, lower its share or tokens, or add text")
        work.progress(0, 0, f"{words}; the rest is shared out")


def _watch(
    params: TrainParams, work: Work, run: "Run", tokenizer: "Tokenizer", base: "Tokenizer"
) -> "Watch | None":
    """What measures the run; the products must still be zero, so that the run is the base."""
    if not params.measures:
        return None
    from rumpun.layer.watch import Watch, base_bits, held_documents

    folder = work.input("corpus").folder
    documents = held_documents(folder, [tokenizer, base], params, work.seed)
    work.progress(0, 0, f"measuring the base on {len(documents)} held-out documents")
    bits = base_bits(run, documents, base, work.scratch / "base_bits.json")
    return Watch(documents, tokenizer, bits, params, work.seed)


def _keep(watch: "Watch | None", params: TrainParams, run: "Run", steps: int) -> int:
    """Put the best measured numbers in place where the recipe asks for them; returns the step that they are of."""
    import torch

    if watch is None or params.keep != "best" or watch.best_step == steps:
        return steps
    with torch.no_grad():
        for name, numbers in watch.best.items():
            run.parameters[name].copy_(numbers)
    return watch.best_step


def _write_curve(
    work: Work, params: TrainParams, trained: "Trained", batches: "Batches", watch: "Watch | None"
) -> None:
    from rumpun.layer.curve import draw

    lines = watch.curve if watch else []
    if watch:
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (work.folder / CURVE).write_text(text, encoding="utf-8")
    picture = draw(
        lines, trained.losses.tolist(), batches.names, params.batch_sequences * params.sequence_tokens
    )
    (work.folder / PICTURE).write_text(picture, encoding="utf-8")
    if params.keep_state:
        shutil.copyfile(work.scratch / KEPT_STATE, work.folder / KEPT_STATE)


class deterministic:  # noqa: N801  # reads as a statement
    """Same numbers from the same work on a processor: kernels whose order of sums is fixed."""

    def __init__(self, torch: Any, wanted: bool) -> None:
        self.torch, self.wanted = torch, wanted

    def __enter__(self) -> None:
        self.before = self.torch.are_deterministic_algorithms_enabled()
        self.torch.use_deterministic_algorithms(self.wanted)

    def __exit__(self, *_: object) -> None:
        self.torch.use_deterministic_algorithms(self.before)


def place_base(reference: str, work: Work) -> Path:
    """The base of a run; the tiny one is made beside the layer."""
    if reference != TINY_NAME:
        return find_base(reference, work.progress)
    return write_tiny_base(work.folder / BESIDE, work.seed)


def _begin(earlier: "Earlier | None", params: TrainParams, run: "Run") -> dict[str, Any]:
    if earlier is None:
        return {}
    return earlier.begin(params, run) if isinstance(params, TuneParams) else earlier.begun_from()


def write_trained(
    params: TrainParams, work: Work, run: "Run", base: Path, earlier: "Earlier | None"
) -> None:  # fmt: skip
    """Write what a run has learnt as a layer."""
    import numpy as np

    from rumpun.weights.layer_file import LayerSpec, write_layer

    tensors = {}
    for name, parameter in run.parameters.items():
        numbers = parameter.detach().float().cpu().numpy()
        product = "embed_tokens" in name and not name.endswith(".rows")
        if product and params.embeddings_rank < params.rank:  # a layer has one rank: zeros fill it up
            extra = params.rank - params.embeddings_rank
            numbers = np.pad(numbers, ((0, extra), (0, 0)) if name.endswith(".a") else ((0, 0), (0, extra)))
        with np.errstate(over="ignore"):
            tensors[name] = numbers.astype(np.float16)
        if not np.isfinite(tensors[name]).all():
            raise InputError(
                f"{name}: a trained number is none, or too large for a layer",
                f"lower learning_rate = {params.learning_rate}",
            )
    spec = LayerSpec(
        base_name=base_name(base, params.base),
        base_sha256=base_sha256(base),
        architecture=run.architecture,
        rank=params.rank,
        alpha=params.alpha,
        targets=run.targets + (("embed_tokens",) if params.embeddings_rank else ()),
        tokens=earlier.spec.tokens if earlier else (),
        merges=earlier.spec.merges if earlier else (),
        chat_template=earlier.spec.chat_template if earlier else None,
    )
    write_layer(work.folder, spec, tensors)


def _write_losses(path: Path, losses: "torch.Tensor", batches: "Batches") -> None:
    """One line a step: the mean loss in nats a token of each source in it. No times, so that equal runs write equal bytes."""
    with path.open("w", encoding="utf-8") as stream:
        for number, row in enumerate(losses.tolist(), 1):
            means = {
                name: round(nats / count, 6)
                for name, (nats, count) in zip(batches.names, row, strict=True)
                if count
            }
            stream.write(json.dumps({"step": number, "loss": means}) + "\n")


def _edges(losses: "torch.Tensor", batches: "Batches") -> dict[str, dict[str, float]]:
    """Mean loss of each source in the first and the last steps that saw it."""
    found: dict[str, dict[str, float]] = {}
    for place, name in enumerate(batches.names):
        mine = losses[:, place][losses[:, place, 1] > 0]
        if not len(mine):
            continue
        edge = max(1, int(len(mine) * _EDGE))
        first, last = mine[:edge].sum(0).tolist(), mine[-edge:].sum(0).tolist()
        found[name] = {"first": round(first[0] / first[1], 4), "last": round(last[0] / last[1], 4)}
    return found


def _summary(
    params: TrainParams, run: "Run", plan: "Plan", sources: "list[Source]", seconds: float
) -> dict[str, Any]:
    import resource

    import torch

    per_step = params.batch_sequences * params.sequence_tokens
    known = {s.name: s for s in sources}
    gpu = run.device.place.type == "cuda"
    peak = (
        torch.cuda.max_memory_allocated()
        if gpu
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    )
    return {
        "steps": plan.steps,
        "tokens": plan.steps * per_step,
        "tokens_asked": params.tokens,
        "tokens_by_source": {name: count * params.sequence_tokens for name, count in plan.counts.items()},
        "epochs_by_source": {
            name: round(count * params.sequence_tokens / known[name].tokens, 3)
            for name, count in plan.counts.items()
        },
        "long_conversations_cut": sum(
            int((s.lengths > params.sequence_tokens).sum()) for s in sources if s.chat
        ),
        "seconds": round(seconds, 1),  # of the process that finished; earlier, killed ones are not in it
        "rank": params.rank,
        "alpha": params.alpha,
        "targets": list(run.targets),
        "embeddings_rank": params.embeddings_rank,
        "added_tokens": 0 if run.rows is None else len(run.rows),
        "trained_parameters": sum(p.numel() for p in run.parameters.values()),
        "device": run.device.words,
        "precision": str(run.device.dtype).removeprefix("torch."),
        "peak_memory_bytes": int(peak),
    }
