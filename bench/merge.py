"""Merging: agreement with mergekit, number by number, with time and memory side by side.

    python bench/merge.py [agree] [cost] [vocabulary] [--mergekit PYTHONPATH] [--hidden 768] [--blocks 12] [--json]

agree: two random llamas and their base; the largest difference from mergekit's outcome, by method (at most 1e-5 is the aim).
DARE draws by its own seeds, so it is compared where nothing is dropped (density 1); its statistics are tests.
cost: random llamas of bfloat16 in shards of 100 MB; each tool is a process of its own. Processor seconds and peak memory
are the kernel's, start-up included.
vocabulary: two models that added tokens of their own; how many of those tokens' rows come out as their owner has them.

PYTHONPATH is where mergekit is, for this Python:
    pip install --no-deps --target FOLDER mergekit==0.1.5 immutables
Without it only ours is measured.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rumpun.layer.merging.models import merge_models
from rumpun.layer.merging.params import MergeSettings
from rumpun.layer.merging.parents import open_parent
from rumpun.layer.merging.shards import NewShards, Shards

METHODS: Mapping[str, dict[str, Any]] = {
    "linear": {"weight": (0.3, 0.9)},
    "slerp": {"t": 0.3},
    "task_arithmetic": {"weight": (0.5, 0.8), "lambda_": 0.9},
    "ties": {"weight": (1.0, 0.7), "density": 0.4},
    "dare_linear": {"weight": (0.5, 0.8), "density": 1.0},
    "dare_ties": {"weight": (0.5, 0.8), "density": 1.0},
    "breadcrumbs": {"weight": (0.5, 0.8), "density": 0.6, "gamma": 0.05},
    "breadcrumbs_ties": {"weight": (0.5, 0.8), "density": 0.6, "gamma": 0.05},
}
TASK = [name for name in METHODS if name not in ("linear", "slerp")]
SHARD_BYTES = 100_000_000
RUN = "import sys; from mergekit.scripts.run_yaml import main; main()"


def mergekit_table(
    method: str, parents: Sequence[Path], base: Path, *, union: bool = False
) -> dict[str, Any]:
    """The same merge as mergekit is told it."""
    asked = METHODS[method]
    models = [
        {"model": str(path), "parameters": {k: v[n] if isinstance(v, tuple) else v for k, v in asked.items() if k in ("weight", "density", "gamma")}}
        for n, path in enumerate(parents)
    ]  # fmt: skip
    table: dict[str, Any] = {"merge_method": method, "models": models}
    if method == "slerp":
        table |= {"base_model": str(parents[0]), "parameters": {"t": asked["t"]}}
        table["models"] = [{"model": str(path)} for path in parents]
    if method in TASK:
        table["base_model"] = str(base)
        if "lambda_" in asked:
            table["parameters"] = {"lambda": asked["lambda_"]}
    return table | ({"tokenizer": {"source": "union"}} if union else {})


def measured(command: Sequence[str], path: str = "") -> dict[str, float]:
    """Run a command; its processor and wall seconds, and its peak memory in MB. What it says is shown if it fails."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    if path:
        environment["PYTHONPATH"] = path
    with tempfile.TemporaryFile("w+") as said:
        start = time.monotonic()
        process = subprocess.Popen(command, env=environment, stdout=said, stderr=said)
        peak = pid = 0
        while not pid:
            peak = max(
                peak, resident_peak_kb(process.pid)
            )  # not ru_maxrss, which starts at what this process held
            time.sleep(0.02)
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if status:
            said.seek(0)
            sys.stderr.write(said.read()[-2_000:])
            raise SystemExit(
                f"{' '.join(command[:3])[:200]} … ended with {os.waitstatus_to_exitcode(status)}"
            )
    return {
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "wall_seconds": round(time.monotonic() - start, 2),
        "peak_mb": round(peak / 1024),
    }


def resident_peak_kb(pid: int) -> int:
    """The most memory that a process has held so far."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith("VmHWM:")), 0)


def run_mergekit(table: dict[str, Any], out: Path, path: str) -> dict[str, float]:
    """Run mergekit on a configuration (JSON is YAML)."""
    config = out.with_suffix(".yaml")
    config.write_text(json.dumps(table))
    return measured([sys.executable, "-c", RUN, str(config), str(out), "--out-shard-size", "100M"], path)


def ours(parents: Sequence[Path], base: Path, method: str, out: Path) -> None:
    """The same merge by this project."""
    opened = [open_parent(path) for path in parents]
    under = open_parent(base) if method in TASK else None
    asked = MergeSettings(method=method, **METHODS[method])  # type: ignore[arg-type]
    merge_models(opened, under, asked, out, shard_bytes=SHARD_BYTES)


def largest_difference(one: Path, two: Path) -> float:
    """Over all numbers of two models with the same tensors."""
    first, second = Shards(one), Shards(two)
    if first.entries.keys() != second.entries.keys():
        raise SystemExit(
            f"{sorted(first.entries.keys() ^ second.entries.keys())[:3]} are in one of the two alone"
        )
    return max(float(np.abs(first.tensor(name) - second.tensor(name)).max()) for name in first.entries)


def tiny(folder: Path, seed: int) -> Path:
    """A folder of a tiny random llama, its norms drawn too."""
    from safetensors.numpy import load_file, save_file

    from rumpun.layer.tiny_base import write_tiny_base
    from rumpun.weights.folder import write_folder

    write_folder(write_tiny_base(folder.with_suffix(".gguf"), seed), folder)
    random = np.random.default_rng(seed)
    tensors = load_file(folder / "model.safetensors")
    for name, tensor in tensors.items():
        if tensor.ndim == 1:
            tensors[name] = random.uniform(0.5, 1.5, tensor.shape).astype(np.float32)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def agree(folder: Path, path: str) -> list[dict[str, Any]]:
    """Each method on the same models."""
    base, *parents = (tiny(folder / f"tiny{seed}", seed) for seed in (1, 2, 3))
    found = []
    for method in METHODS:
        ours(parents, base, method, folder / f"{method}-ours")
        row: dict[str, Any] = {"method": method}
        if path:
            run_mergekit(mergekit_table(method, parents, base), folder / f"{method}-mergekit", path)
            row["largest_difference"] = largest_difference(
                folder / f"{method}-ours", folder / f"{method}-mergekit"
            )
        found.append(row)
    return found


def random_llama(folder: Path, seed: int, hidden: int, blocks: int) -> Path:
    """Random bfloat16 weights under a llama's names, and its config; no tokenizer."""
    inner, vocabulary = hidden * 8 // 3 // 64 * 64, 32_000
    shapes = {"self_attn.q_proj": (hidden, hidden), "self_attn.k_proj": (hidden, hidden), "self_attn.v_proj": (hidden, hidden),
              "self_attn.o_proj": (hidden, hidden), "mlp.gate_proj": (inner, hidden), "mlp.up_proj": (inner, hidden),
              "mlp.down_proj": (hidden, inner), "input_layernorm": (hidden,), "post_attention_layernorm": (hidden,)}  # fmt: skip
    names: list[tuple[str, tuple[int, ...]]] = [("model.embed_tokens.weight", (vocabulary, hidden))]
    names += [(f"model.layers.{n}.{m}.weight", s) for n in range(blocks) for m, s in shapes.items()]
    names += [("model.norm.weight", (hidden,)), ("lm_head.weight", (vocabulary, hidden))]
    random = np.random.default_rng(seed)
    sizes = dict(names)
    folder.mkdir()
    new = NewShards([(name, shape, "BF16") for name, shape in names], SHARD_BYTES)
    new.write(folder, lambda name: random.standard_normal(sizes[name], dtype=np.float32), lambda *_: None)
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": hidden, "intermediate_size": inner,
              "num_hidden_layers": blocks, "num_attention_heads": hidden // 64, "num_key_value_heads": hidden // 64,
              "vocab_size": vocabulary, "tie_word_embeddings": False, "dtype": "bfloat16"}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def cost(folder: Path, path: str, hidden: int, blocks: int) -> list[dict[str, Any]]:
    """Time and memory of three methods on larger models."""
    base, *parents = (random_llama(folder / f"large{seed}", seed, hidden, blocks) for seed in (1, 2, 3))
    size = sum(path.stat().st_size for path in base.glob("*.safetensors")) / 1e6
    found = []
    for method in ("linear", "slerp", "ties"):
        out = folder / f"cost-{method}"
        command = [sys.executable, __file__, "--ours", method, str(out), str(base), *map(str, parents)]
        found.append({"tool": "rumpun", "method": method, "model_mb": round(size)} | measured(command))
        if path:
            row = {"tool": "mergekit", "method": method, "model_mb": round(size)}
            table = mergekit_table(method, parents, base)
            found.append(row | run_mergekit(table, folder / f"cost-{method}-mergekit", path))
    return found


def vocabulary(folder: Path, path: str) -> list[dict[str, Any]]:
    """Two models of one base with different added tokens."""
    from rumpun.layer.base import base_sha256
    from rumpun.weights.folder import write_folder
    from rumpun.weights.layer_file import LayerSpec, write_layer

    base = tiny(folder / "words0", 1)
    gguf = folder / "words0.gguf"
    added = {"one": ("ไผ่น้ำ", "ทุ่งนา"), "two": ("စပါး", "ทุ่งนา", "ស្រូវ")}
    random = np.random.default_rng(0)
    rows = {}
    for name, tokens in added.items():
        rows[name] = random.standard_normal((len(tokens), 64)).astype(np.float32)
        spec = LayerSpec(
            base_name="tiny", base_sha256=base_sha256(gguf), rank=1, alpha=1.0, targets=(), tokens=tokens
        )
        write_layer(folder / f"{name}-layer", spec, {"model.embed_tokens.rows": rows[name]})
        write_folder(gguf, folder / name, layer=folder / f"{name}-layer")
    parents = [folder / "one", folder / "two"]
    lone = {"ไผ่น้ำ": rows["one"][0], "စပါး": rows["two"][0], "ស្រូវ": rows["two"][2]}
    found = []
    for method in ("linear", "task_arithmetic", "ties"):
        ours(parents, base, method, folder / f"words-{method}")
        found.append({"tool": "rumpun", "method": method} | _kept(folder / f"words-{method}", lone))
        if path:
            out = folder / f"words-{method}-mergekit"
            try:
                run_mergekit(mergekit_table(method, parents, base, union=True), out, path)
                found.append({"tool": "mergekit", "method": method} | _kept(out, lone))
            except SystemExit as ended:
                found.append({"tool": "mergekit", "method": method, "ended": str(ended)})
    return found


def _kept(folder: Path, lone: Mapping[str, Any]) -> dict[str, Any]:
    """How many tokens of one parent alone have their row, and whether the output has as many rows as the tokenizer."""
    table = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    numbers = table["model"]["vocab"] | {entry["content"]: entry["id"] for entry in table["added_tokens"]}
    rows = Shards(folder).tensor("model.embed_tokens.weight")
    kept = sum(
        t in numbers and bool(np.allclose(rows[numbers[t]], row, atol=1e-4)) for t, row in lone.items()
    )
    return {"rows_kept": f"{kept} of {len(lone)}", "tokens": len(numbers), "rows": len(rows)}


def show(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    keys = list(dict.fromkeys(key for row in rows for key in row))
    print(f"\n{title}\n" + "  ".join(f"{key:>18}" for key in keys))
    for row in rows:
        cells = (row.get(key, "") for key in keys)
        print(
            "  ".join(
                f"{cell:18.2e}" if isinstance(cell, float) and cell < 0.01 else f"{cell!s:>18}"
                for cell in cells
            )
        )


def main() -> int:
    if sys.argv[1:2] == ["--ours"]:
        method, out, base, *parents = sys.argv[2:]
        ours([Path(path) for path in parents], Path(base), method, Path(out))
        return 0
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", default=["agree", "cost", "vocabulary"])
    parser.add_argument("--mergekit", default=os.environ.get("RUMPUN_MERGEKIT", ""))
    parser.add_argument("--hidden", type=int, default=768)
    parser.add_argument("--blocks", type=int, default=12)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if "agree" in asked.parts:
            found["agree"] = agree(folder, asked.mergekit)
        if "cost" in asked.parts:
            found["cost"] = cost(folder, asked.mergekit, asked.hidden, asked.blocks)
        if "vocabulary" in asked.parts:
            found["vocabulary"] = vocabulary(folder, asked.mergekit)
    if asked.json:
        print(json.dumps(found))
        return 0
    if not asked.mergekit:
        print("mergekit is not named (--mergekit), so ours alone is measured")
    for title, rows in found.items():
        show(title, rows)
    worst = max((row.get("largest_difference", 0.0) for row in found.get("agree", [])), default=0.0)
    return int(worst > 1e-5)


if __name__ == "__main__":
    sys.exit(main())
