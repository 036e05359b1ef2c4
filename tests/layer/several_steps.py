"""Steps of several runs, in as many processes as torchrun started; process 0 prints their losses, one line of JSON a run."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from rumpun.layer.distributed import leading, together
from rumpun.layer.loop import one_step
from rumpun.layer.lowrank import LowRankLinear
from rumpun.layer.params import Replay, TrainParams
from rumpun.layer.prepared import find_device, prepare

RUNS: tuple[dict[str, Any], ...] = (
    {}, {"precision": "bfloat16"}, {"gradient_checkpointing": True, "embeddings_rank": 2}, {"targets": ()},
    {"replay": Replay(languages=("en",), base_weight=0.6)},
)  # fmt: skip


def held(run: Any) -> int:
    """Frozen numbers that this process keeps for the modules with products."""
    total = 0
    for module in run.modules.values():
        if isinstance(module, LowRankLinear):
            summed: Any = module.summed
            total += module.weight.numel() + getattr(summed, "to_local", lambda it=summed: it)().numel()
    return total


def losses(folder: Path, more: dict[str, Any]) -> dict[str, Any]:
    """Six steps with seven added tokens, and a pass without gradients after them."""
    usual = {"tokens": 160, "sequence_tokens": 32, "batch_sequences": 5, "micro_tokens": 64, "rank": 4, "precision": "float32"}  # fmt: skip
    params = TrainParams(base="tiny", **usual | more)
    device = find_device(params)
    rows = {"model.embed_tokens.rows": np.random.default_rng(0).standard_normal((7, 64)).astype("f4") / 10}
    ids = torch.randint(0, 275, (5, 32), generator=torch.Generator().manual_seed(0))
    targets = torch.roll(ids, -1, 1)
    earlier: Any = SimpleNamespace(rows=rows)
    recalled = torch.tensor([False, True, True, False, True]) if params.replay.base_weight else None
    with together(params, device, folder, 1, earlier) as group:
        run = prepare(folder, params, device, 1, rows, group=group)
        one = group.step if group else one_step
        found = [float(one(run, ids, targets, 1.0, None, recalled).sum()) for _ in range(6)]
        with torch.no_grad():
            run.refresh()
            last = run.decoder(input_ids=ids, use_cache=False).last_hidden_state
        return {"losses": found, "last": float(last.float().abs().sum()), "held": held(run)}


with leading() as leads:
    for more in RUNS if leads else ():
        sys.stdout.write(json.dumps(losses(Path(sys.argv[1]), more)) + "\n")
