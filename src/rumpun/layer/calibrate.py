"""How fast and in how much memory this machine trains: a few steps on a random model of the base's width, cached.

Time and memory of a step are linear in the number of blocks, so two depths are tried, each in a process of its own (a
process's peak memory never falls), and the line is drawn to the whole depth. The loop is `layer.train`'s own.
"""

import hashlib
import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rumpun.errors import EnvironmentFault
from rumpun.layer.cost import Load, memory_of, operations
from rumpun.layer.machines import cores, package_joules, processor
from rumpun.layer.params import FullParams, TrainParams
from rumpun.recipes import build
from rumpun.records.places import cache_folder
from rumpun.steps import Progress, quiet

if TYPE_CHECKING:
    import torch

    from rumpun.layer.prepared import Run

__all__ = ["Speed", "cached", "calibrate"]

_DEEP = 8  # blocks of the deeper trial at most
_PASSES = 2  # of one step, tried; a step of more takes as many times longer
_STEPS = 3  # timed; their median counts
_OPERATIONS = 6e12  # of one trial step at most: a minute on a slow processor
_LOOP = 3  # how fast the training loop is: a figure of another number is not taken
_WATCHED = ("RUMPUN_DEVICE", "RUMPUN_COMPILE", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """What was measured on this machine."""

    device: str
    precision: str
    step_seconds: float  # one optimiser step of the whole depth
    start_seconds: float  # the base loaded and made ready
    memory_bytes: int  # at the peak
    watts: float | None  # of the processor packages while training, where they can be read
    load: float  # runnable processes beside, a minute's mean before the trial
    depths: tuple[int, ...]


def cached(load: Load) -> Speed | None:
    """What was measured for such a run on this machine before, if it was."""
    path = _place(load)
    if not path.is_file():
        return None
    raw = json.loads(path.read_text(encoding="utf-8"))
    return Speed(**raw | {"depths": tuple(raw["depths"])})


def calibrate(load: Load, progress: Progress = quiet) -> Speed:
    """Measure, and keep what was found.

    Raises:
        EnvironmentFault: the model is too large to be tried here, or a trial fails.
    """
    beside = os.getloadavg()[0]
    depths = _depths(load)
    tried = []
    for number, blocks in enumerate(depths):
        progress(number, len(depths), f"{blocks} of {load.shape.blocks} blocks")
        tried.append(_try(load, blocks))
    progress(len(depths), len(depths), "measured")
    known = [found["watts"] for found in tried if found["watts"]]
    speed = Speed(
        device=tried[-1]["device"],
        precision=tried[-1]["precision"],
        step_seconds=_at(load, depths, [found["step_seconds"] for found in tried]) * _passes_share(load, tried[-1]["pass_tokens"]),
        start_seconds=_at(load, depths, [found["start_seconds"] for found in tried]),
        memory_bytes=int(_at(load, depths, [found["memory_bytes"] for found in tried])),
        watts=known[-1] if known else None,
        load=round(beside, 2),
        depths=depths,
    )  # fmt: skip
    path = _place(load)
    path.parent.mkdir(parents=True, exist_ok=True)
    making = path.with_suffix(f".{os.getpid()}")
    making.write_text(json.dumps(asdict(speed)) + "\n", encoding="utf-8")
    making.replace(path)
    return speed


def _at(load: Load, depths: tuple[int, ...], values: list[float]) -> float:
    """The line through two depths, at the whole one; never below the deepest trial, which noise could bring about."""
    if len(depths) == 1:
        return values[0]
    slope = (values[1] - values[0]) / (depths[1] - depths[0])
    return max(values[1], values[1] + slope * (load.shape.blocks - depths[1]))


def _passes_share(load: Load, pass_tokens: int) -> float:
    """Passes of a real step over those of a tried one."""
    rows = pass_tokens // load.params.sequence_tokens
    return load.params.batch_sequences / min(load.params.batch_sequences, _PASSES * rows)


def _depths(load: Load) -> tuple[int, ...]:
    """The two depths to try, the deeper one as deep as this machine bears."""
    from rumpun.engines.llamacpp_memory import available_bytes

    free, width = available_bytes() or 0, load.params.sequence_tokens
    for deep in range(min(_DEEP, load.shape.blocks), 0, -1):
        trial = _trial(load, deep)
        held = sum(memory_of(trial, place="cpu", number_bytes=4, pass_tokens=width).values())
        cost = sum(operations(trial).values()) * _PASSES * trial.pass_tokens("cpu")
        if (
            not free or held * 2 <= free
        ) and cost <= _OPERATIONS:  # the random model is written and read again
            return (deep,) if deep == 1 else (1, deep)
    raise EnvironmentFault(
        f"{load.shape.name}: too large to be tried on this machine",
        "state what it trains with --tokens-per-second, or name a GPU with --gpu",
    )


def _trial(load: Load, blocks: int) -> Load:
    return replace(load, shape=replace(load.shape, blocks=blocks))


def _place(load: Load) -> Path:
    """Where the figures of such a run on this machine are kept."""
    wanted = (
        "sequence_tokens", "batch_sequences", "micro_tokens", "rank", "targets", "embeddings_rank", "precision",
        "document_masking", "gradient_checkpointing",
    )  # fmt: skip
    made_of = {
        "machine": [processor(), cores(), metadata.version("torch"), *(os.environ.get(name, "") for name in _WATCHED)],
        "shape": [load.shape.config[key] for key in sorted(load.shape.config) if not key.endswith("_token_id")],
        "params": [getattr(load.params, name, None) for name in wanted],  # full training has no rank
        "added": load.added,
        **({"recalled": load.recalled} if load.params.replay.base_weight else {}),
        "loop": _LOOP,
    }  # fmt: skip
    key = hashlib.sha256(json.dumps(made_of, default=str, sort_keys=True).encode()).hexdigest()[:32]
    return cache_folder() / "calibrations" / f"{key}.json"


def _try(load: Load, blocks: int) -> dict[str, Any]:
    kind = FullParams if load.full else TrainParams
    asked = {
        "config": dict(load.shape.config) | {"num_hidden_layers": blocks}, "full": load.full, "added": load.added,
        "recalled": load.recalled,
        "params": {each.name: asdict(load.params)[each.name] for each in fields(kind)},
    }  # fmt: skip
    command = [sys.executable, "-m", "rumpun.layer.calibrate"]
    made = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=False)
    if made.returncode:
        said = (made.stderr.strip().splitlines() or ["no word"])[-1]
        raise EnvironmentFault(
            f"a trial step on {blocks} blocks failed: {said[:200]}",
            "state what this machine trains with --tokens-per-second, or add --no-measure",
        )
    found: dict[str, Any] = json.loads(made.stdout.splitlines()[-1])
    return found


def measure(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Time a few optimiser steps on random tokens; in a process of its own."""
    import resource
    import statistics
    import tempfile

    import numpy as np
    import torch
    import transformers

    from rumpun.layer.added_rows import EMBEDDING_ROWS, OUTPUT_ROWS
    from rumpun.layer.masters import prepare_full
    from rumpun.layer.prepared import find_device, prepare
    from rumpun.layer.train import deterministic

    for beside in ("pyarrow.parquet", "tokenizers"):  # a run has them in memory
        importlib.import_module(beside)

    transformers.utils.logging.disable_progress_bar()
    params: FullParams | TrainParams
    given, where = asked["params"], "the trial"
    params = build(FullParams, given, where) if asked["full"] else build(TrainParams, given, where)
    device = find_device(params)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if asked["full"]:  # added tokens are rows like all others
            asked["config"]["vocab_size"] += asked["added"]
        (folder / "config.json").write_text(json.dumps(asked["config"]), encoding="utf-8")
        config = transformers.AutoConfig.from_pretrained(folder)
        transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
        (folder / "config.json").write_text(json.dumps(asked["config"]), encoding="utf-8")
        names = [EMBEDDING_ROWS] if config.tie_word_embeddings else [EMBEDDING_ROWS, OUTPUT_ROWS]
        added = np.zeros((asked["added"], config.hidden_size), dtype=np.float32)
        started = time.monotonic()
        run = (
            prepare_full(folder, params, device)
            if isinstance(params, FullParams)
            else prepare(folder, params, device, 0, dict.fromkeys(names, added) if asked["added"] else None)
        )
        start_seconds = time.monotonic() - started
    rows = max(1, device.micro_tokens // params.sequence_tokens)
    size = min(params.batch_sequences, _PASSES * rows), params.sequence_tokens
    ids = torch.randint(0, config.vocab_size, size, generator=torch.Generator().manual_seed(0))
    targets = torch.full_like(ids, -1)
    targets[:, :-1] = ids[:, 1:]
    positions = (
        torch.arange(size[1]).remainder(size[1] // 2 + 1).expand(size) if params.document_masking else None
    )
    batch = ids, targets, params.gradient_clip, positions
    with deterministic(torch, device.place.type == "cpu"):  # as a run does, which has its price
        joules = package_joules()
        times = {
            every: _times(run, batch, every) for every in ((False, True) if asked["recalled"] else (False,))
        }
    after = package_joules()
    # the first of each finds memory and chooses kernels
    middle = {every: statistics.median(some[1:]) for every, some in times.items()}
    more = asked["recalled"] * (middle[True] - middle[False]) if True in middle else 0.0
    spent = sum(map(sum, times.values()))
    peak = (
        torch.cuda.max_memory_allocated()
        if device.place.type == "cuda"
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    )
    return {
        "device": device.words, "precision": str(device.dtype).removeprefix("torch."), "pass_tokens": min(rows * size[1], size[0] * size[1]),
        "step_seconds": middle[False] + more, "start_seconds": start_seconds, "memory_bytes": int(peak),
        "watts": (after - joules) / spent if after and joules and after > joules else None,
    }  # fmt: skip


def _times(
    run: "Run", batch: "tuple[torch.Tensor, torch.Tensor, float, torch.Tensor | None]", every: bool
) -> list[float]:
    """Seconds of a few steps; `every`: the base is asked of every row."""
    import torch

    from rumpun.layer.loop import one_step

    found = []
    for _ in range(_STEPS + 1):
        before = time.monotonic()
        one_step(run, *batch, torch.full(batch[0].shape[:1], every))
        if run.device.place.type == "cuda":
            torch.cuda.synchronize()
        found.append(time.monotonic() - before)
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(json.load(sys.stdin))) + "\n")
