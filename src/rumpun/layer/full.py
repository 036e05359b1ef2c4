"""The step `layer.full`: a base, with a layer or without, and a corpus to a model whose every weight was trained.

[steps.model]
uses = "layer.full"
needs = ["corpus"]                # and a layer, which is merged into the base first
with = { base = "smollm2-135m-instruct", tokens = 20_000_000, sequence_tokens = 1024, batch_sequences = 32 }

Reading order: `params` (`FullParams`), `masters` (the numbers and their copies), `course` and `loop` (as for layers), then the
transformers folder, written as `layer.combine_models` writes one.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rumpun.engines.bases import as_folder
from rumpun.errors import InputError
from rumpun.layer.base import base_facts, base_source
from rumpun.layer.distributed import together_in_full
from rumpun.layer.merging.shards import Shards
from rumpun.layer.params import FullParams
from rumpun.layer.train import deterministic, place_base
from rumpun.steps import Outcome, Progress, Work, step

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    from rumpun.layer.course import Course
    from rumpun.layer.prepared import Device
    from rumpun.layer.watch import Watch
    from rumpun.weights.quantise import Float

__all__ = ["FullParams", "full", "write_model"]


@step(kind="model", version=1, identity=base_facts, part="train", needs=("corpus",))
def full(params: FullParams, work: Work) -> Outcome:
    """Train every weight of a base; a layer on it may stand among the inputs, and all of it is trained on with the rest."""
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    from rumpun.layer.course import Course
    from rumpun.layer.earlier import read_earlier
    from rumpun.layer.masters import prepare_full
    from rumpun.layer.prepared import find_device
    from rumpun.layer.tokenizer import Tokenizer, embedding_rows

    base = place_base(params.base, work, work.scratch)
    folder = as_folder(base, work.progress)
    found = next((item for item in work.inputs if item.manifest.kind == "layer"), None)
    earlier = read_earlier(found, base) if found else None
    start = _merged(base, earlier.input.folder, work) if earlier else folder
    course = Course(params, work, Tokenizer(start, embedding_rows(start)), {})
    device = find_device(params)
    with (
        deterministic(torch, device.place.type == "cpu"),
        together_in_full(params, device, start, work.scratch) as group,
    ):
        watch = _watch_from(folder, params, course, device) if start != folder else None
        run = prepare_full(start, params, device, group=group)
        watch = watch or course.watch(run, course.tokenizer)
        trained = course.train(run, watch, group.step if group else None, params)
        told = course.tell(run, trained, watch)
        written = write_model(start, run.numbers(), params, work.folder, work.progress)
    return Outcome(
        sources=(base_source(base, params.base),),
        languages=course.languages,
        summary=told | (earlier.begun_from() if earlier else {}) | written,
        tools={"torch": str(torch.__version__), "transformers": str(transformers.__version__)},
    )


def _merged(base: Path, layer: Path, work: Work) -> Path:
    """The base with the layer on it, as a transformers folder in the scratch; written once."""
    from rumpun.layer.merge import merge_folder
    from rumpun.weights.folder import write_folder

    folder = work.scratch / "start"
    if not (folder / "config.json").is_file():  # written last
        if base.is_dir():
            merge_folder(base, layer, folder, work.progress)
        else:
            write_folder(base, folder, layer=layer, progress=work.progress)
    return folder


def _watch_from(folder: Path, params: FullParams, course: "Course", device: "Device") -> "Watch | None":
    """What measures a run that begins from base and layer: against the base alone, which is read for it and dropped."""
    if not params.measures:
        return None
    from rumpun.layer.masters import prepare_full
    from rumpun.layer.tokenizer import Tokenizer

    return course.watch(prepare_full(folder, params, device), Tokenizer(folder))


def write_model(
    start: Path, numbers: "Mapping[str, torch.Tensor]", params: FullParams, folder: Path, progress: Progress
) -> dict[str, Any]:
    """Write a transformers folder: trained numbers, and everything else as in the folder that the run began from.

    Raises:
        InputError: a number is none, or too large for the precision.
        EnvironmentFault: the folder cannot be written.
    """
    from rumpun.layer.merging.models import merge_models
    from rumpun.layer.merging.params import MergeSettings
    from rumpun.layer.merging.parents import open_parent

    parent = open_parent(start)
    told = merge_models(
        [replace(parent, shards=_Trained(start, numbers))], None, MergeSettings(method="linear"), folder,
        precision=params.stored_precision, shard_bytes=params.shard_bytes, progress=progress,
    )  # fmt: skip
    return {name: told[name] for name in ("bytes", "files", "tied")} | {"stored_precision": told["precision"]}


class _Trained(Shards):
    """A folder's tensors with trained numbers in the place of the files'."""

    def __init__(self, folder: Path, numbers: "Mapping[str, torch.Tensor]") -> None:
        super().__init__(folder)
        self.numbers = numbers

    def tensor(self, name: str) -> "Float":
        """A tensor as float32, an array of its own.

        Raises:
            InputError: its numbers are not finite.
        """
        import numpy as np

        if name not in self.numbers:  # not trained: a fixed number of an activation
            return super().tensor(name)
        found: Float = self.numbers[name].detach().float().cpu().numpy().copy()
        if not np.isfinite(found.sum(dtype=np.float64)):
            raise InputError(f"{name}: a trained number is none", "lower learning_rate")
        return found
