"""One training run in several processes: `torchrun --nproc-per-node N --no-python rumpun run RECIPE`.

Process 0 walks the recipe, holds the locks, reads the corpus and writes what is made. The others wait, and help wherever a
layer is trained: each takes its rows of every batch. The base's frozen weights are shared out over the processes (FSDP2,
`torch.distributed.fsdp.fully_shard`) and gathered a block at a time; the trained numbers stand in every process, and their
gradients are added up once a step. So a step sees the same tokens as one process would, and only the order of sums
differs. What passes between processes is numbers and JSON.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rumpun.errors import InputError
from rumpun.layer.params import TrainParams, TuneParams
from rumpun.recipes import build

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch
    from torch import nn

    from rumpun.layer.loop import Device, Run
    from rumpun.layer.lowrank import LowRankLinear

__all__ = ["Group", "leading", "together"]

_WAIT = timedelta(days=30)  # the others wait while process 0 makes a corpus
_ANSWER = timedelta(minutes=30)  # for what all do at once
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
    params: TrainParams,
    device: "Device",
    folder: Path,
    seed: int,
    rows: "Mapping[str, npt.NDArray[np.floating]] | None",
) -> "Iterator[Group | None]":
    """In process 0: call the others to a run, and let them go at its end; None where there are no others."""
    if not _leads.get():
        yield None
        return
    shapes = {name: list(value.shape) for name, value in (rows or {}).items()}
    _post({"params": asdict(params), "folder": str(folder), "seed": seed, "rows": shapes})
    group = Group(device)
    yield group
    group.let_go()


class Group:
    """The processes of one run, and what they do together."""

    def __init__(self, device: "Device") -> None:
        import torch.distributed as dist
        from torch.distributed.device_mesh import init_device_mesh

        kind = device.place.type
        if not dist.is_initialized():
            store, rank, size = _meeting()
            backend = "nccl" if kind == "cuda" else "gloo"
            dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=_ANSWER)
        self.device = device
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self.mesh = init_device_mesh(kind, (self.size,))

    def shard(self, model: "nn.Module", modules: Iterable["nn.Module"]) -> None:
        """Leave each process its part of the frozen weights, of a transformers model with low-rank modules in place."""
        from torch.distributed.fsdp import fully_shard

        from rumpun.layer.lowrank import LowRankLinear

        for module in modules:
            if isinstance(module, LowRankLinear):
                self._split(module)
        trained = {value for value in model.parameters() if value.requires_grad}
        decoder: Any = model.get_submodule("model")
        for part in (*decoder.layers, decoder):
            fully_shard(part, mesh=self.mesh, ignored_params=trained)

    def _split(self, module: "LowRankLinear") -> None:
        """Its rows of the precise weights; the sum becomes a parameter, which is what FSDP shares out, by rows too."""
        from torch import nn

        count = -(-len(module.weight) // self.size)
        module.rows = slice(self.rank * count, (self.rank + 1) * count)
        module.weight = module.weight[module.rows].clone()
        summed = module.summed
        del module.summed
        module.summed = nn.Parameter(summed, requires_grad=False)

    def share(self, run: "Run") -> None:
        """Every process takes up process 0's trained numbers and the state of its optimiser."""
        import torch
        import torch.distributed as dist

        begun = [state for state in run.optimizer.state.values() if state]
        taken = torch.tensor([float(begun[0]["step"]) if begun else 0.0], device=self.device.place)
        dist.broadcast(taken, 0)
        fused = bool(run.optimizer.defaults.get("fused"))
        for value in run.parameters.values():
            dist.broadcast(value.data, 0)
            if not taken.item():
                continue
            if self.rank:
                run.optimizer.state[value] = {
                    "step": taken[0].clone() if fused else taken[0].cpu().clone(),
                    "exp_avg": torch.zeros_like(value), "exp_avg_sq": torch.zeros_like(value),
                }  # fmt: skip
            for key in ("exp_avg", "exp_avg_sq"):
                dist.broadcast(run.optimizer.state[value][key], 0)

    def step(self, run: "Run", tokens: "torch.Tensor", targets: "torch.Tensor", clip: float) -> "torch.Tensor":
        """In process 0: `one_step` on a batch [b, t] by all; returns each token's loss [b, t]."""
        import torch
        import torch.distributed as dist

        rows = -(-len(tokens) // self.size)
        whole = torch.stack([torch.zeros_like(tokens[:1]), torch.full_like(tokens[:1], -1)])
        whole = whole.repeat(1, rows * self.size, 1)  # rows that nothing is learnt from fill it up
        whole[0, : len(tokens)], whole[1, : len(tokens)] = tokens, targets
        rates = [float(group["lr"]) for group in run.optimizer.param_groups]
        self._said([rows, tokens.shape[1], *rates])
        whole = whole.to(self.device.place)
        dist.broadcast(whole, 0)
        each = self._mine(run, whole, rows, clip)
        parts = [torch.empty_like(each) for _ in range(self.size)]
        dist.gather(each, parts, 0)
        return torch.cat(parts)[: len(tokens)]

    def follow(self, run: "Run", clip: float) -> bool:
        """In the others: one step with process 0; False when it lets go."""
        import torch
        import torch.distributed as dist

        rows, width, *rates = self._said([0.0] * (2 + len(run.optimizer.param_groups)))
        if not rows:
            return False
        for group, rate in zip(run.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        whole = torch.empty(2, int(rows) * self.size, int(width), dtype=torch.int64, device=self.device.place)
        dist.broadcast(whole, 0)
        dist.gather(self._mine(run, whole, int(rows), clip), None, 0)
        return True

    def let_go(self) -> None:
        """In process 0: no more steps of this run."""
        self._said([0.0, 0.0])

    def _said(self, numbers: list[float]) -> list[float]:
        """Process 0's numbers, in every process."""
        import torch
        import torch.distributed as dist

        said = torch.zeros(8, dtype=torch.float64, device=self.device.place)
        said[: len(numbers)] = torch.tensor(numbers, dtype=torch.float64)
        dist.broadcast(said, 0)
        return [float(value) for value in said[: len(numbers)]]

    def _mine(self, run: "Run", whole: "torch.Tensor", rows: int, clip: float) -> "torch.Tensor":
        from rumpun.layer.loop import one_step

        tokens, targets = whole[:, self.rank * rows : (self.rank + 1) * rows]
        return one_step(run, tokens, targets, clip)

    def total(self, count: int) -> int:
        """A count added up over all processes."""
        import torch
        import torch.distributed as dist

        found = torch.tensor([count], dtype=torch.int64, device=self.device.place)
        dist.all_reduce(found)
        return int(found)

    def add_up(self, parameters: Iterable["nn.Parameter"]) -> None:
        """The sum of all processes' gradients, in each of them."""
        import torch
        import torch.distributed as dist

        grads = [value.grad for value in parameters if value.grad is not None]
        flat = torch.cat([grad.flatten() for grad in grads])
        dist.all_reduce(flat)
        for grad, summed in zip(grads, flat.split([grad.numel() for grad in grads]), strict=True):
            grad.copy_(summed.view_as(grad))


def _one_gpu(local: int) -> None:
    """Let this process see its own GPU alone, before torch looks."""
    seen = [part for part in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if part]
    os.environ["CUDA_VISIBLE_DEVICES"] = seen[local % len(seen)] if seen else str(local)


def _meeting() -> Any:
    """(store, rank, processes) as torchrun's variables say."""
    import torch.distributed as dist

    return next(iter(dist.rendezvous("env://")))


def _board() -> Any:
    import torch.distributed as dist

    return dist.PrefixStore("rumpun", _meeting()[0])


def _post(job: dict[str, Any]) -> None:
    """Tell the others of a run; an empty one says that there are no more."""
    board = _board()
    board.set(f"run {board.add('runs', 1)}", json.dumps(job))


def _follow() -> None:
    board, number = _board(), 0
    while True:
        number += 1
        board.wait([f"run {number}"], _WAIT)
        job = json.loads(board.get(f"run {number}"))
        if not job:
            break
        _help(job)
    _leave()


def _help(job: dict[str, Any]) -> None:
    """Take part in one run of process 0's."""
    import numpy as np
    import torch

    from rumpun.layer.loop import find_device, prepare

    folder, params = Path(job["folder"]), build(TuneParams, job["params"], "run")
    if not folder.is_dir():
        raise InputError(
            f"{folder}: not there in process {os.environ['RANK']}",
            "put RUMPUN_HOME on a disk that every machine of the run sees",
        )
    device = find_device(params)
    torch.use_deterministic_algorithms(device.place.type == "cpu")  # as process 0 does
    group = Group(device)
    rows = {name: np.zeros(shape, dtype=np.float32) for name, shape in job["rows"].items()}
    run = prepare(folder, params, device, job["seed"], rows or None, group)
    group.share(run)
    while group.follow(run, params.gradient_clip):
        pass


def _leave() -> None:
    import torch.distributed as dist

    if dist.is_initialized():
        dist.destroy_process_group()
