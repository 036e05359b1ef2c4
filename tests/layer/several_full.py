"""Every weight of a folder's model trained, in as many processes as torchrun started; process 0 prints a line of JSON a run."""

import json
import sys
from pathlib import Path
from typing import Any

import torch

from rumpun.layer.checkpoint import save_state
from rumpun.layer.distributed import leading, together_in_full
from rumpun.layer.loop import one_step
from rumpun.layer.masters import prepare_full
from rumpun.layer.own_part import local
from rumpun.layer.params import FullParams
from rumpun.layer.prepared import find_device

RUNS: tuple[dict[str, Any], ...] = (
    {"precision": "float32"}, {"precision": "bfloat16"}, {"precision": "float32", "gradient_checkpointing": True},
)  # fmt: skip
folder, scratch = Path(sys.argv[1]), Path(sys.argv[2])


def sums(numbers: dict[str, torch.Tensor]) -> dict[str, float]:
    return {name: float(found.double().abs().sum()) for name, found in numbers.items()}


def steps(more: dict[str, Any]) -> dict[str, Any]:
    """Six steps on five rows, a pass without gradients, a state on disk, and what this process holds of the blocks."""
    params = FullParams(
        base="tiny", tokens=960, sequence_tokens=32, batch_sequences=5, micro_tokens=64, **more
    )
    device = find_device(params)
    ids = torch.randint(0, 260, (5, 32), generator=torch.Generator().manual_seed(0))
    targets = torch.roll(ids, -1, 1)
    with together_in_full(params, device, folder, scratch) as group:
        run = prepare_full(folder, params, device, group=group)
        one = group.step if group else one_step
        losses = [
            float(one(run, ids, targets, 0.05, None).sum()) for _ in range(6)
        ]  # a norm that cuts each step
        with torch.no_grad():
            run.refresh()
            last = run.decoder(input_ids=ids, use_cache=False).last_hidden_state
        blocks = [value for name, value in run.parameters.items() if ".layers." in name]
        held = sum(local(value).numel() for value in blocks)
        moments = sum(local(run.optimizer.state[value]["exp_avg"]).numel() for value in blocks)
        if group:
            group.gather(states=True)
        save_state(scratch, 6, run.parameters, run.optimizer, torch.zeros(0))
        kept = {name: numbers.clone() for name, numbers in run.numbers().items()}
        one(run, ids, targets, 0.05, None)
        run.put(kept)  # as at the end of a run that keeps its best numbers
        return {
            "losses": losses, "last": float(last.float().abs().sum()), "held": held, "moments": moments,
            "blocks": sum(value.numel() for value in blocks), "sums": sums(kept),
            "put": sums(run.numbers()),
            "state": (scratch / "state.safetensors").stat().st_size,
        }  # fmt: skip


with leading() as leads:
    for more in RUNS if leads else ():
        sys.stdout.write(json.dumps(steps(more)) + "\n")
