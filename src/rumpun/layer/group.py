"""The processes of one run, and what they do together; `distributed` calls them to it."""

import functools
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rumpun.errors import InputError

if TYPE_CHECKING:
    import torch
    from torch import nn

    from rumpun.layer.lowrank import LowRankLinear
    from rumpun.layer.prepared import Device, Run

__all__ = ["Group", "meeting"]

_ANSWER = timedelta(minutes=30)  # for what all do at once
_END, _SHARE, _STEP, _READ, _GATHER = range(5)  # what process 0 calls the others to
_SAID = 8  # numbers of such a call
_TABLES = 4  # of a batch: tokens, targets, positions, whether its base is asked of the sequence
_SUMMED = 1 << 25  # gradients added up at once


@functools.cache
def meeting() -> Any:
    """(store, rank, processes) as torchrun's variables say."""
    from torch.distributed.rendezvous import rendezvous

    return next(iter(rendezvous("env://")))


class Group:
    """The processes of one run, and what they do together."""

    parameters: "Mapping[str, nn.Parameter]"
    optimizer: "torch.optim.Optimizer"

    def __init__(self, device: "Device") -> None:
        import torch.distributed as dist
        from torch.distributed.device_mesh import init_device_mesh

        kind = device.place.type
        if not dist.is_initialized():
            store, rank, size = meeting()
            backend = "nccl" if kind == "cuda" else "gloo"
            dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=_ANSWER)
        self.place = device.place
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self.mesh = init_device_mesh(kind, (self.size,))
        self.stepped = False
        self.scratch: Path | None = (
            None  # of a run whose numbers begin alike in all, and whose state all read
        )

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

    def shard_blocks(self, model: "nn.Module", dtype: "torch.dtype") -> None:
        """Leave each process its rows of every block's numbers, all of which are trained; what computes is of this type."""
        import torch
        from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard

        exact = dtype == torch.float32
        policy = MixedPrecisionPolicy() if exact else MixedPrecisionPolicy(dtype, torch.float32)
        decoder: Any = model.get_submodule("model")
        inside = {value for block in decoder.layers for value in block.parameters()}
        for block in decoder.layers:
            fully_shard(block, mesh=self.mesh, mp_policy=policy)
        others = {value for value in model.parameters() if value not in inside}
        fully_shard(decoder, mesh=self.mesh, mp_policy=policy, ignored_params=others)
        for part in decoder.modules():
            if isinstance(part, FSDPModule):  # gradients are of sums, so they are added up and not averaged
                part.set_force_sum_reduction_for_comms(True)
                part.set_gradient_divide_factor(1.0)

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
        self.parameters, self.optimizer = parameters, optimizer
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

    def end(self) -> None:
        """In process 0: let the others go."""
        self.call(_END)

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
        if self.scratch is not None:
            if self.rank and taken.item():
                self._load(self.scratch, int(taken.item()))
            return
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

    def _load(self, scratch: Path, step: int) -> None:
        from rumpun.layer.checkpoint import load_state

        found = load_state(scratch, self.parameters, self.optimizer, None)
        if found != step:
            raise InputError(
                f"{scratch}: the state is of step {found} in process {self.rank}, process 0 has step {step}",
                "put RUMPUN_HOME on a disk that every machine of the run sees",
            )

    def gather(self, *, states: bool = False) -> None:
        """In process 0, before it asks for all of every shared number, in their order, and of the optimiser's for it."""
        from rumpun.layer.own_part import is_shared

        if not any(map(is_shared, self.parameters.values())):
            return
        if not self.stepped:
            self.share()
        self.call(_GATHER, states)

    def _give(self, *, states: bool) -> None:
        """In the others: what process 0 gathers."""
        from rumpun.layer.own_part import is_shared, whole

        for value in self.parameters.values():
            own = self.optimizer.state.get(value, {}).values() if states else ()
            for found in filter(is_shared, (value, *own)):
                whole(found)

    def clip(self, most: float) -> None:
        """Scale all gradients down where their norm is above this, as `torch.nn.utils.clip_grad_norm_` does."""
        import torch
        import torch.distributed as dist

        from rumpun.layer.own_part import is_shared, local

        squares = torch.zeros(2, device=self.place)  # of numbers that all hold, and of this process's own
        grads = [value.grad for value in self.parameters.values() if value.grad is not None]
        for grad in grads:
            squares[int(is_shared(grad))] += torch.linalg.vector_norm(local(grad)) ** 2
        dist.all_reduce(mine := squares[1:].clone())
        factor = (most / ((squares[0] + mine[0]).sqrt() + 1e-6)).clamp(max=1.0)
        for grad in grads:
            local(grad).mul_(factor)

    def step(  # noqa: PLR0917  # as `OneStep`, whose parameters have no names
        self, run: "Run", tokens: "torch.Tensor", targets: "torch.Tensor", clip: float, positions: "torch.Tensor | None" = None,
        recalled: "torch.Tensor | None" = None,
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
        whole = torch.zeros(_TABLES, rows * self.size, width, dtype=torch.int64)
        whole[1] = -1  # rows that nothing is learnt from fill it up
        whole[2] = torch.arange(width)
        whole[0, :count], whole[1, :count] = tokens, targets
        if positions is not None:
            whole[2, :count] = positions
        if recalled is not None:
            whole[3, :count] = recalled.unsqueeze(1)
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
            if what == _GATHER:
                self._give(states=bool(rows))
                continue
            shape = (int(rows), int(width)) if what == _READ else (_TABLES, int(rows) * self.size, int(width))
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
        tokens, targets, positions, recalled = whole[:, self.rank * rows : (self.rank + 1) * rows]
        return one_step(run, tokens, targets, clip, positions if masked else None, recalled[:, 0] > 0)

    def total(self, count: int) -> int:
        """A count added up over all processes."""
        import torch
        import torch.distributed as dist

        found = torch.tensor(count, dtype=torch.int64, device=self.place)
        dist.all_reduce(found)
        return int(found)

    def add_up(self) -> None:
        """Put the sum of all processes' gradients in the place of each one's own; of shared numbers it stands there already."""
        import torch
        import torch.distributed as dist

        from rumpun.layer.own_part import is_shared

        grads = [
            value.grad
            for value in self.parameters.values()
            if value.grad is not None and not is_shared(value)
        ]
        while grads:
            some, count = [grads.pop()], 0
            while grads and (count := count + some[-1].numel()) + grads[-1].numel() <= _SUMMED:
                some.append(grads.pop())
            flat = torch.cat([grad.flatten() for grad in some])
            dist.all_reduce(flat)
            for grad, summed in zip(some, torch.split(flat, [grad.numel() for grad in some]), strict=True):
                grad.copy_(summed.view_as(grad))
