"""One training run in several processes: `torchrun --nproc-per-node N --no-python rumpun run RECIPE`.

Process 0 walks the recipe, holds the locks, reads the corpus and writes what is made. The others wait, and help wherever a
layer is trained: each takes its rows of every batch. The base's frozen weights are shared out over the processes (FSDP2,
`torch.distributed.fsdp.fully_shard`) and gathered a block at a time; the trained numbers stand in every process, and their
gradients are added up once a step. So a step sees the same tokens as one process would, and only the order of sums
differs. What passes between processes is numbers and JSON.
"""

import functools
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, fields
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rumpun.errors import InputError
from rumpun.layer.params import FullParams, RunParams, TrainParams
from rumpun.recipes import build

if TYPE_CHECKING:
    import torch
    from torch import nn

    from rumpun.layer.earlier import Earlier
    from rumpun.layer.loop import Device, Run
    from rumpun.layer.lowrank import LowRankLinear

__all__ = ["Group", "leading", "together", "together_in_full"]

_WAIT = timedelta(days=30)  # the others wait while process 0 makes a corpus
_ANSWER = timedelta(minutes=30)  # for what all do at once
_END, _SHARE, _STEP, _READ = range(4)  # what process 0 calls the others to
_SAID = 8  # numbers of such a call
_SUMMED = 1 << 25  # gradients added up at once
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
def together_in_full(params: FullParams, device: "Device", folder: Path) -> "Iterator[Group | None]":
    """The same for a run that trains every weight of the folder's model: all numbers stand in every process."""
    if not _leads.get():
        yield None
        return
    with _called({"full": True}, FullParams, params, device=device, folder=folder) as group:
        yield group


@contextmanager
def _called(
    job: dict[str, Any], kind: type[RunParams], params: RunParams, *, device: "Device", folder: Path
) -> "Iterator[Group]":
    given = asdict(params)
    _post(job | {"params": {field.name: given[field.name] for field in fields(kind)}, "folder": str(folder)})
    group = Group(device)
    yield group
    group.call(_END)


class Group:
    """The processes of one run, and what they do together."""

    parameters: "Mapping[str, nn.Parameter]"
    optimizer: "torch.optim.Optimizer"

    def __init__(self, device: "Device") -> None:
        import torch.distributed as dist
        from torch.distributed.device_mesh import init_device_mesh

        kind = device.place.type
        if not dist.is_initialized():
            store, rank, size = _meeting()
            backend = "nccl" if kind == "cuda" else "gloo"
            dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=_ANSWER)
        self.place = device.place
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self.mesh = init_device_mesh(kind, (self.size,))
        self.stepped = False

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
        module.part = slice(self.rank * count, (self.rank + 1) * count)
        module.weight = module.weight[module.part].clone()
        summed = module.summed
        del module.summed
        module.summed = nn.Parameter(summed, requires_grad=False)

    def reads(
        self,
        decoder: Callable[..., Any],
        parameters: "Mapping[str, nn.Parameter]",
        optimizer: "torch.optim.Optimizer",
    ) -> Callable[..., Any]:
        """The run's decoder: outside a step, process 0 alone asks for a forward pass, and the others must make it too."""
        self.holds(parameters, optimizer)
        if self.rank:
            return decoder

        def read(*, input_ids: "torch.Tensor", **more: Any) -> Any:
            import torch
            import torch.distributed as dist

            if not torch.is_grad_enabled():
                if not self.stepped:
                    self.share()
                self.call(_READ, *input_ids.shape)
                dist.broadcast(input_ids.contiguous(), 0)
            return decoder(input_ids=input_ids, **more)

        return read

    def holds(self, parameters: "Mapping[str, nn.Parameter]", optimizer: "torch.optim.Optimizer") -> None:
        """Take up what every process has whole."""
        self.parameters, self.optimizer = parameters, optimizer

    def call(self, what: int, *numbers: float) -> None:
        """In process 0: say what comes next."""
        import torch
        import torch.distributed as dist

        said = torch.zeros(_SAID, dtype=torch.float64)
        said[: 1 + len(numbers)] = torch.tensor([what, *numbers], dtype=torch.float64)
        dist.broadcast(said.to(self.place), 0)

    def share(self) -> None:
        """Every process takes up process 0's trained numbers and the state of its optimiser."""
        import torch
        import torch.distributed as dist

        if not self.rank:
            self.call(_SHARE)
        begun = [state for state in self.optimizer.state.values() if state]
        taken = torch.tensor(float(begun[0]["step"]) if begun else 0.0, device=self.place)
        dist.broadcast(taken, 0)
        fused = bool(self.optimizer.defaults.get("fused"))
        for value in self.parameters.values():
            dist.broadcast(value.data, 0)
            if not taken.item():
                continue
            if self.rank:
                self.optimizer.state[value] = {
                    "step": taken.clone() if fused else taken.cpu().clone(),
                    "exp_avg": torch.zeros_like(value), "exp_avg_sq": torch.zeros_like(value),
                }  # fmt: skip
            for key in ("exp_avg", "exp_avg_sq"):
                dist.broadcast(self.optimizer.state[value][key], 0)

    def step(
        self, run: "Run", tokens: "torch.Tensor", targets: "torch.Tensor", clip: float, positions: "torch.Tensor | None" = None,
    ) -> "torch.Tensor":  # fmt: skip
        """In process 0: the loop's `one_step` by all processes, each with its rows of the batch."""
        import torch
        import torch.distributed as dist

        if not self.stepped:
            self.share()
            self.stepped = True
        count, width = tokens.shape
        rows = -(-count // self.size)
        rates = [float(group["lr"]) for group in self.optimizer.param_groups]
        self.call(_STEP, rows, width, positions is not None, *rates)
        whole = torch.zeros(3, rows * self.size, width, dtype=torch.int64)
        whole[1] = -1  # rows that nothing is learnt from fill it up
        whole[2] = torch.arange(width)
        whole[0, :count], whole[1, :count] = tokens, targets
        if positions is not None:
            whole[2, :count] = positions
        whole = whole.to(self.place)
        dist.broadcast(whole, 0)
        each = self._mine(run, whole, clip, masked=positions is not None)
        parts = [torch.empty_like(each) for _ in range(self.size)]
        dist.gather(each, parts, 0)
        return torch.cat(parts)[:count]

    def follow(self, run: "Run", clip: float) -> None:
        """In the others: do what process 0 calls for, until it lets go."""
        import torch
        import torch.distributed as dist

        while True:
            said = torch.zeros(_SAID, dtype=torch.float64, device=self.place)
            dist.broadcast(said, 0)
            what, rows, width, masked, *rates = said.tolist()
            if what == _END:
                return
            if what == _SHARE:
                self.share()
                continue
            shape = (int(rows), int(width)) if what == _READ else (3, int(rows) * self.size, int(width))
            whole = torch.empty(shape, dtype=torch.int64, device=self.place)
            dist.broadcast(whole, 0)
            if what == _READ:
                with torch.no_grad():
                    run.refresh()
                    run.decoder(input_ids=whole, use_cache=False)
                continue
            for group, rate in zip(self.optimizer.param_groups, rates, strict=False):
                group["lr"] = rate
            dist.gather(self._mine(run, whole, clip, masked=bool(masked)), None, 0)

    def _mine(self, run: "Run", whole: "torch.Tensor", clip: float, *, masked: bool) -> "torch.Tensor":
        from rumpun.layer.loop import one_step

        rows = whole.shape[1] // self.size
        tokens, targets, positions = whole[:, self.rank * rows : (self.rank + 1) * rows]
        return one_step(run, tokens, targets, clip, positions if masked else None)

    def total(self, count: int) -> int:
        """A count added up over all processes."""
        import torch
        import torch.distributed as dist

        found = torch.tensor(count, dtype=torch.int64, device=self.place)
        dist.all_reduce(found)
        return int(found)

    def add_up(self) -> None:
        """Put the sum of all processes' gradients in the place of each one's own."""
        import torch
        import torch.distributed as dist

        grads = [value.grad for value in self.parameters.values() if value.grad is not None]
        while grads:
            some, count = [grads.pop()], 0
            while grads and (count := count + some[-1].numel()) + grads[-1].numel() <= _SUMMED:
                some.append(grads.pop())
            flat = torch.cat([grad.flatten() for grad in some])
            dist.all_reduce(flat)
            for grad, summed in zip(some, torch.split(flat, [grad.numel() for grad in some]), strict=True):
                grad.copy_(summed.view_as(grad))


def _one_gpu(local: int) -> None:
    """Let this process see its own GPU alone, before torch looks."""
    seen = [part for part in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if part]
    os.environ["CUDA_VISIBLE_DEVICES"] = seen[local % len(seen)] if seen else str(local)


@functools.cache
def _meeting() -> Any:
    """(store, rank, processes) as torchrun's variables say."""
    from torch.distributed.rendezvous import rendezvous

    return next(iter(rendezvous("env://")))


def _post(job: dict[str, Any]) -> None:
    """Tell the others of a run; an empty one says that there are no more."""
    board = _meeting()[0]
    board.set(f"rumpun run {board.add('rumpun runs', 1)}", json.dumps(job))


def _follow() -> None:
    board, number = _meeting()[0], 0
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
    from rumpun.layer.loop import find_device, prepare
    from rumpun.layer.masters import prepare_full
    from rumpun.layer.train import deterministic

    folder, given = Path(job["folder"]), job["params"]
    params: FullParams | TrainParams
    params = build(FullParams, given, "the run") if "full" in job else build(TrainParams, given, "the run")
    if not folder.is_dir():
        raise InputError(
            f"{folder}: not there in process {os.environ['RANK']}",
            "put RUMPUN_HOME on a disk that every machine of the run sees",
        )
    device = find_device(params)
    group = Group(device)
    with deterministic(torch, device.place.type == "cpu"):  # as process 0 does
        if isinstance(params, FullParams):
            run = prepare_full(folder, params, device, group=group)
        else:
            rows = {name: np.zeros(shape, dtype=np.float32) for name, shape in job["rows"].items()}
            run = prepare(folder, params, device, job["seed"], rows or None, group=group)
        group.follow(run, params.gradient_clip)


def _leave() -> None:
    import torch.distributed as dist

    if dist.is_initialized():
        dist.destroy_process_group()
