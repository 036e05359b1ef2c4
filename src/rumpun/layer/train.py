"""The steps `layer.train`, base and corpus to a layer, and `layer.tune`, a layer and a corpus to a layer that knows more.

Reading order: `params`, `source` and `tokens` (text to numbers), `packed` (numbers that the corpus brings), `batches` (what
a step sees), `lowrank`, `added_rows` and `loss` (the mathematics), `recall` (the base beside it), `earlier` (the layer that a run goes on from), `course` (what
is round the steps), `loop`, `schedule`, `watch` (measurements while it runs), `live` and `curve` (what is seen of it), `checkpoint`.
"""

import dataclasses
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rumpun.engines.bases import BESIDE, as_folder, find_base
from rumpun.errors import InputError
from rumpun.layer.base import base_facts, base_name, base_sha256, base_source
from rumpun.layer.distributed import together
from rumpun.layer.params import KEPT_STATE, TrainParams, TuneParams
from rumpun.layer.tiny_base import TINY_NAME, write_tiny_base
from rumpun.steps import Input, Outcome, Work, step

if TYPE_CHECKING:
    from collections.abc import Callable

    from rumpun.layer.earlier import Earlier
    from rumpun.layer.loop import OneStep
    from rumpun.layer.prepared import Run

__all__ = [
    "TrainParams", "TuneParams", "deterministic", "learn", "place_base", "train", "tune", "write_trained",
]  # fmt: skip


@step(kind="layer", version=3, identity=base_facts, part="train", needs=("corpus",))
def train(params: TrainParams, work: Work) -> Outcome:
    """Train low-rank products on a base with the corpus's text and, where asked for, its chat rows.

    A layer of new vocabulary may stand among the inputs: text is cut by it, and its rows are trained too.
    """
    found = next((item for item in work.inputs if item.manifest.kind == "layer"), None)
    return learn(params, work, found)


@step(kind="layer", version=3, identity=base_facts, part="train", needs=("corpus", "layer"))
def tune(params: TuneParams, work: Work) -> Outcome:
    """Go on from what an earlier layer of the same base, rank and targets learnt; inputs: a corpus and that layer."""
    return learn(params, work, work.input("layer"))


def learn(
    params: TrainParams, work: Work, found: Input | None,
    taught: "Callable[[Run, Path], OneStep] | None" = None,
) -> Outcome:  # fmt: skip
    """Train on the corpus; `taught` makes another step of the run and its tokenizer's folder, as distillation needs."""
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    from rumpun.layer.course import Course
    from rumpun.layer.earlier import read_earlier, tokenizer_folder
    from rumpun.layer.prepared import find_device, prepare
    from rumpun.layer.tokenizer import Tokenizer, embedding_rows

    base = place_base(params.base, work, work.folder)
    folder = as_folder(base, work.progress)
    earlier = read_earlier(found, base) if found else None
    if earlier and earlier.products and not isinstance(params, TuneParams):
        raise InputError(f"{earlier.input.folder}: holds products already", "go on from it with layer.tune")
    place, rows = folder, embedding_rows(folder)
    if earlier and earlier.spec.tokens:
        place = tokenizer_folder(base, earlier.spec, work.scratch / "tokenizer")
        rows += len(earlier.spec.tokens)
    tokenizer = Tokenizer(place, rows)
    go_on = params.go_on if isinstance(params, TuneParams) else "weights"
    taken: dict[str, int] = {}
    if earlier and isinstance(params, TuneParams) and go_on != "weights":
        taken = earlier.taken(params, work.input("corpus").manifest.id, work.seed)
    course = Course(params, work, tokenizer, taken)
    device = find_device(params)
    with (
        deterministic(torch, device.place.type == "cpu"),
        together(params, device, folder, work.seed, earlier, alone=taught is not None) as group,
    ):
        run = prepare(folder, params, device, work.seed, earlier.rows if earlier else None, group=group)
        # the products are zero still, so that the run is the base
        watch = course.watch(run, Tokenizer(folder) if place != folder else tokenizer)
        begun = _begin(earlier, params, run)
        if earlier and go_on == "state":
            earlier.begin_state(run)
        one = taught(run, place) if taught else group.step if group else None
        again = dataclasses.replace(params, warmup_share=0.0) if go_on == "state" else params
        trained = course.train(run, watch, one, again)
    told = course.tell(run, trained, watch)
    if params.keep_state:
        shutil.copyfile(work.scratch / KEPT_STATE, work.folder / KEPT_STATE)
    write_trained(params, work, run, base, earlier)
    return Outcome(
        sources=(base_source(base, params.base),),
        languages=course.languages,
        summary=told
        | begun
        | {
            "rank": params.rank,
            "alpha": params.alpha,
            "targets": list(run.targets),
            "embeddings_rank": params.embeddings_rank,
            "added_tokens": 0 if run.rows is None else len(run.rows),
        },
        tools={"torch": str(torch.__version__), "transformers": str(transformers.__version__)},
    )


class deterministic:  # noqa: N801  # reads as a statement
    """Same numbers from the same work on a processor: kernels whose order of sums is fixed.

    torch then also fills what it sets aside, to show who reads it unwritten: a fifth of a step's time, for nothing here.
    """

    def __init__(self, torch: Any, wanted: bool) -> None:
        self.torch, self.wanted = torch, wanted

    def __enter__(self) -> None:
        fills = self.torch.utils.deterministic
        self.before = self.torch.are_deterministic_algorithms_enabled(), fills.fill_uninitialized_memory
        self.torch.use_deterministic_algorithms(self.wanted)
        fills.fill_uninitialized_memory = False

    def __exit__(self, *_: object) -> None:
        before, fills = self.before
        self.torch.use_deterministic_algorithms(before)
        self.torch.utils.deterministic.fill_uninitialized_memory = fills


def place_base(reference: str, work: Work, beside: Path) -> Path:
    """The base of a run; the tiny one is made in the folder `beside`."""
    if reference != TINY_NAME:
        return find_base(reference, work.progress)
    return write_tiny_base(beside / BESIDE, work.seed)


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
