"""Training speed and memory on the embedded base: PEFT (a plain loop; transformers' Trainer) beside layer.train's loop.

    python bench/train_speed.py [--json] [--tokens 2048] [--rank 32] [--steps 3]

Each line runs in a process of its own. `tokens/s` is by the clock, `tokens/CPU-s` by processor time over all threads, which
other work on the machine disturbs less. The best of the steps after the first counts.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# kind, precision, sequence tokens, tokens of one pass; every line sees the same tokens
LINES = (
    ("peft", "float32", 256, 1024),
    ("trainer", "float32", 256, 1024),
    ("peft", "bfloat16", 256, 1024),
    ("trainer", "bfloat16", 256, 1024),
    ("rumpun", "float32", 256, 1024),
    ("rumpun", "bfloat16", 256, 1024),
    ("rumpun", "bfloat16", 256, 512),
    ("peft", "bfloat16", 512, 1024),
    ("rumpun", "bfloat16", 512, 1024),
)
RATE = 1e-4


def measure(
    kind: str, precision: Any, sequence: int, micro: int, arguments: argparse.Namespace
) -> dict[str, float | str]:
    """Time a few optimiser steps on random tokens."""
    import torch
    import transformers

    from rumpun.engines.bases import as_folder, find_base
    from rumpun.layer.loop import one_step
    from rumpun.layer.params import TARGETS, TrainParams
    from rumpun.layer.prepared import find_device, prepare

    transformers.utils.logging.disable_progress_bar()
    folder = as_folder(find_base("base"))
    rows = arguments.tokens // sequence
    params = TrainParams(
        sequence_tokens=sequence,
        batch_sequences=rows,
        tokens=arguments.tokens,
        rank=arguments.rank,
        micro_tokens=micro,
        precision=precision,
    )
    ids = torch.randint(1000, 49_000, (rows, sequence), generator=torch.Generator().manual_seed(0))
    targets = torch.full_like(ids, -1)
    targets[:, :-1] = ids[:, 1:]
    device = find_device(params)
    if kind == "rumpun":
        run = prepare(folder, params, device, 1)
        spent = [timed(lambda: one_step(run, ids, targets, 1.0)) for _ in range(arguments.steps + 1)]
    else:
        from peft import LoraConfig, get_peft_model

        plain = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=device.dtype).to(device.place)
        model = get_peft_model(plain, LoraConfig(r=params.rank, lora_alpha=64, target_modules=list(TARGETS)))
        several = by_trainer if kind == "trainer" else by_loop
        spent = several(model, ids.to(device.place), micro // sequence, arguments.steps + 1)
    best, best_cpu = (min(times) for times in zip(*spent[1:], strict=True))
    gpu = device.place.type == "cuda"
    peak = (
        torch.cuda.max_memory_allocated()
        if gpu
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    )
    return {
        "kind": kind, "sequence_tokens": sequence, "pass_tokens": micro, "device": device.words,
        "precision": str(device.dtype), "tokens_per_second": round(ids.numel() / best, 1),
        "tokens_per_cpu_second": round(ids.numel() / best_cpu, 1), "peak_memory_gb": round(peak / 1e9, 2),
    }  # fmt: skip


def timed(step: Callable[[], object]) -> tuple[float, float]:
    """Seconds of a step, by the clock and of the processor."""
    wall, cpu = time.perf_counter(), time.process_time()
    step()
    return time.perf_counter() - wall, time.process_time() - cpu


def by_loop(model: Any, ids: Any, rows: int, steps: int) -> list[tuple[float, float]]:
    """The loop that a tutorial writes, with gradients added up over passes of `rows` sequences."""
    import torch

    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=RATE)

    def step() -> None:
        for part in torch.split(ids, rows):
            (model(input_ids=part, labels=part).loss * len(part) / len(ids)).backward()
        optimizer.step()
        optimizer.zero_grad()

    return [timed(step) for _ in range(steps)]


def by_trainer(model: Any, ids: Any, rows: int, steps: int) -> list[tuple[float, float]]:
    """Transformers' Trainer, its checkpoints and logs off."""
    import tempfile

    import transformers

    marks: list[tuple[float, float]] = []

    class Clock(transformers.TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            marks.append((time.perf_counter(), time.process_time()))

        def on_step_end(self, *_: Any, **__: Any) -> None:
            wall, cpu = marks[-1]
            marks[-1] = time.perf_counter() - wall, time.process_time() - cpu

    with tempfile.TemporaryDirectory() as folder:
        settings = transformers.TrainingArguments(
            output_dir=folder, max_steps=steps, per_device_train_batch_size=rows, learning_rate=RATE,
            gradient_accumulation_steps=len(ids) // rows, report_to=[], save_strategy="no", disable_tqdm=True,
            logging_strategy="no", use_cpu=ids.device.type == "cpu",
        )  # fmt: skip
        rows_of = [{"input_ids": row, "labels": row} for row in ids] * steps
        transformers.Trainer(model, settings, train_dataset=rows_of, callbacks=[Clock()]).train()
    return marks


def main() -> int:
    """Run every line and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--tokens", type=int, default=2048, help="of one optimiser step")
    parser.add_argument("--rank", type=int, default=32)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--line", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.line is not None:
        print(json.dumps(measure(*LINES[arguments.line], arguments)))
        return 0
    found = []
    for number in range(len(LINES)):
        command = [sys.executable, str(Path(__file__).resolve()), *sys.argv[1:], "--line", str(number)]
        made = subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ))
        found.append(json.loads(made.stdout.splitlines()[-1]))
        if not arguments.json:
            row = found[-1]
            if number == 0:
                print(f"{row['device']}, rank {arguments.rank}, {arguments.tokens} tokens a step")
                print(
                    f"{'':8}{'':10}{'sequence':>9}{'pass':>7}{'tokens/s':>10}{'tokens/CPU-s':>14}{'memory GB':>11}"
                )
            print(
                f"{row['kind']:8}{LINES[number][1]:10}{row['sequence_tokens']:>9}{row['pass_tokens']:>7}{row['tokens_per_second']:>10}"
                f"{row['tokens_per_cpu_second']:>14}{row['peak_memory_gb']:>11}", flush=True
            )  # fmt: skip
    if arguments.json:
        print(json.dumps({"lines": found}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
