"""One training run in several processes: `torchrun --nproc-per-node N --no-python rumpun run RECIPE`.

Process 0 walks the recipe, holds the locks, reads the corpus and writes what is made. The others wait, and help wherever a
layer is trained: each takes its rows of every batch. The base's frozen weights are shared out over the processes (FSDP2,
`torch.distributed.fsdp.fully_shard`) and gathered a block at a time; the trained numbers stand in every process, and their
gradients are added up once a step. Where every weight is trained, the blocks' numbers, gradients and the optimiser's are shared
out, and embedding, output and last norm stand in every process. So a step sees the same tokens as one process would, and only
the order of sums differs. What passes between processes is numbers and JSON.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, fields
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rumpun.errors import InputError
from rumpun.layer.group import Group, meeting
from rumpun.layer.params import FullParams, RunParams, TrainParams
from rumpun.recipes import build

if TYPE_CHECKING:
    from rumpun.layer.earlier import Earlier
    from rumpun.layer.prepared import Device

__all__ = ["leading", "together", "together_in_full"]

_WAIT = timedelta(days=30)  # the others wait while process 0 makes a corpus
_leads: ContextVar[bool] = ContextVar("_leads", default=False)


@contextmanager
def leading() -> Iterator[bool]:
    """Whether this process walks the recipe; where torchrun started others beside it, they help inside, until it is through.

    Yields:
        True in process 0, and where there is no other; False in the others, when the work is done.
    """
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield True
        return
    _one_gpu(int(os.environ.get("LOCAL_RANK", rank)))
    if rank:
        _follow()
        yield False
        return
    before = _leads.set(True)
    try:
        yield True
    finally:
        _leads.reset(before)
    _post({})  # not after an error: torchrun ends the others then
    _leave()


@contextmanager
def together(
    params: TrainParams, device: "Device", folder: Path, seed: int,
    earlier: "Earlier | None", *, alone: bool = False,
) -> "Iterator[Group | None]":  # fmt: skip
    """In process 0: call the others to a run, and let them go at its end; None where there are none, or it runs `alone`.

    Args:
        params: of the run.
        device: where this process computes; the others choose theirs by the same rule.
        folder: the base's, on a disk that every process sees.
        seed: of the low-rank products.
        earlier: the layer that it goes on from.
        alone: whether the others go on waiting.
    """
    if alone or not _leads.get():
        yield None
        return
    shapes = {name: list(value.shape) for name, value in (earlier.rows if earlier else {}).items()}
    with _called({"seed": seed, "rows": shapes}, TrainParams, params, device=device, folder=folder) as group:
        yield group


@contextmanager
def together_in_full(
    params: FullParams, device: "Device", folder: Path, scratch: Path
) -> "Iterator[Group | None]":
    """The same for a run that trains every weight of the folder's model; `scratch`, where its state lies, is seen by all too."""
    if not _leads.get():
        yield None
        return
    with _called({"scratch": str(scratch)}, FullParams, params, device=device, folder=folder) as group:
        group.scratch = scratch
        yield group


@contextmanager
def _called(
    job: dict[str, Any], kind: type[RunParams], params: RunParams, *, device: "Device", folder: Path
) -> "Iterator[Group]":
    given = asdict(params)
    _post(job | {"params": {field.name: given[field.name] for field in fields(kind)}, "folder": str(folder)})
    group = Group(device)
    yield group
    group.end()


def _one_gpu(local: int) -> None:
    """Let this process see its own GPU alone, before torch looks."""
    seen = [part for part in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if part]
    os.environ["CUDA_VISIBLE_DEVICES"] = seen[local % len(seen)] if seen else str(local)


def _post(job: dict[str, Any]) -> None:
    """Tell the others of a run; an empty one says that there are no more."""
    board = meeting()[0]
    board.set(f"rumpun run {board.add('rumpun runs', 1)}", json.dumps(job))


def _follow() -> None:
    board, number = meeting()[0], 0
    while True:
        number += 1
        board.wait([f"rumpun run {number}"], _WAIT)
        job = json.loads(board.get(f"rumpun run {number}"))
        if not job:
            break
        _help(job)
    _leave()


def _help(job: dict[str, Any]) -> None:
    """Take part in one run of process 0's."""
    import numpy as np
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    from rumpun.layer.masters import prepare_full
    from rumpun.layer.prepared import find_device, prepare
    from rumpun.layer.train import deterministic

    folder, given = Path(job["folder"]), job["params"]
    params: FullParams | TrainParams
    params = build(FullParams, given, "the run") if "scratch" in job else build(TrainParams, given, "the run")
    if not folder.is_dir():
        raise InputError(
            f"{folder}: not there in process {os.environ['RANK']}",
            "put RUMPUN_HOME on a disk that every machine of the run sees",
        )
    device = find_device(params)
    group = Group(device)
    with deterministic(torch, device.place.type == "cpu"):  # as process 0 does
        if isinstance(params, FullParams):
            group.scratch = Path(job["scratch"])
            run = prepare_full(folder, params, device, group=group)
        else:
            rows = {name: np.zeros(shape, dtype=np.float32) for name, shape in job["rows"].items()}
            run = prepare(folder, params, device, job["seed"], rows or None, group=group)
        group.follow(run, params.gradient_clip)


def _leave() -> None:
    import torch.distributed as dist

    if dist.is_initialized():
        dist.destroy_process_group()
