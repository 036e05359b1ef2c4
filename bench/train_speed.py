"""Training speed and memory on the embedded base: a plain PEFT loop beside layer.train's loop, on the same tokens.

    python bench/train_speed.py [--json] [--tokens 1024] [--rank 32] [--steps 2]

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
from pathlib import Path

# kind, sequence tokens, tokens of one pass
LINES = (
    ("peft", 512, 1024),
    ("rumpun", 512, 1024),
    ("rumpun", 512, 512),
    ("peft", 256, 1024),
    ("rumpun", 256, 512),
    ("rumpun", 128, 512),
)


def measure(kind: str, sequence: int, micro: int, arguments: argparse.Namespace) -> dict[str, float | str]:
    """Time a few optimiser steps on random tokens."""
    import torch
    import transformers

    from rumpun.engines.bases import as_folder, find_base
    from rumpun.layer.loop import find_device, one_step, prepare
    from rumpun.layer.params import TARGETS, TrainParams

    transformers.utils.logging.disable_progress_bar()
    folder = as_folder(find_base("base"))
    rows = arguments.tokens // sequence
    params = TrainParams(
        sequence_tokens=sequence,
        batch_sequences=rows,
        tokens=arguments.tokens,
        rank=arguments.rank,
        micro_tokens=micro,
    )
    ids = torch.randint(1000, 49_000, (rows, sequence), generator=torch.Generator().manual_seed(0))
    targets = torch.full_like(ids, -1)
    targets[:, :-1] = ids[:, 1:]
    device = find_device(params)
    if kind == "peft":
        from peft import LoraConfig, get_peft_model

        model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=device.dtype).to(device.place)
        model = get_peft_model(model, LoraConfig(r=params.rank, lora_alpha=64, target_modules=list(TARGETS)))
        optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)

        def step() -> None:
            model(input_ids=ids.to(device.place), labels=ids.to(device.place)).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    else:
        run = prepare(folder, params, device, 1)

        def step() -> None:
            one_step(run, ids, targets, 1.0)

    best, best_cpu = 1e9, 1e9
    for number in range(arguments.steps + 1):
        wall, cpu = time.perf_counter(), time.process_time()
        step()
        if number:
            best = min(best, time.perf_counter() - wall)
            best_cpu = min(best_cpu, time.process_time() - cpu)
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


def main() -> int:
    """Run every line and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--tokens", type=int, default=1024, help="of one optimiser step")
    parser.add_argument("--rank", type=int, default=32)
    parser.add_argument("--steps", type=int, default=2)
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
                print(
                    f"{row['device']}, {row['precision']}, rank {arguments.rank}, {arguments.tokens} tokens a step"
                )
                print(
                    f"{'':8}{'sequence':>9}{'pass':>7}{'tokens/s':>10}{'tokens/CPU-s':>14}{'memory GB':>11}"
                )
            print(
                f"{row['kind']:8}{row['sequence_tokens']:>9}{row['pass_tokens']:>7}{row['tokens_per_second']:>10}"
                f"{row['tokens_per_cpu_second']:>14}{row['peak_memory_gb']:>11}", flush=True
            )  # fmt: skip
    if arguments.json:
        print(json.dumps({"lines": found}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
