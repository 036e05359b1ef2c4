"""Small pairs, and a run whose products are not zero, for the tests of preference tuning and distillation."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rumpun.layer.params import TrainParams
from rumpun.layer.prepared import Run, find_device, prepare
from rumpun.records.artefacts import Maker, Manifest
from rumpun.steps import Input, Work, quiet

SHAPE: dict[str, Any] = {
    "base": "tiny", "tokens": 1024, "sequence_tokens": 64, "batch_sequences": 4, "rank": 4, "alpha": 8.0,
    "learning_rate": 1e-2, "epochs_max": 40.0, "precision": "float32",
}  # fmt: skip
ASKED = ("Apa kabar?", "Siapa namamu?", "Hari ini hujan?", "Kamu suka teh?", "Di mana sawah?", "Kapan panen?")


def work(folder: Path, *inputs: Input, progress: Any = quiet) -> Work:
    made = folder / "made"
    if made.exists():
        import shutil

        shutil.rmtree(made)
    made.mkdir(parents=True)
    (folder / "keep").mkdir(exist_ok=True)
    return Work(inputs=inputs, folder=made, scratch=folder / "keep", seed=7, progress=progress)


def as_input(folder: Path, kind: str, **said: Any) -> Input:
    maker = Maker(step="test", version=1, params={}, rumpun="0")
    return Input(kind, folder, Manifest(kind=kind, id=kind[0] * 32, maker=maker, **said))


def pair(
    asked: str, chosen: str = "Ya, baik sekali.", rejected: str = "Tidak tahu!", **more: Any
) -> dict[str, Any]:
    row = {"messages": [{"role": "user", "content": asked}], "chosen": chosen, "rejected": rejected}
    return row | {"language": "id", "source": "s", "licence": "CC0-1.0"} | more


def write_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def moved_run(folder: Path, **change: Any) -> tuple[Run, TrainParams]:
    """A run whose products were drawn at random."""
    params = TrainParams(**SHAPE | change)
    run = prepare(folder, params, find_device(params), 5)
    drawn = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for parameter in run.parameters.values():
            parameter.copy_(torch.randn(parameter.shape, generator=drawn) * 0.2)
        run.refresh()
    return run, params


def merged_model(folder: Path, run: Run, *, grad: bool = False) -> Any:
    """transformers' own model with the run's products in its weights, in float64."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager")
    model.requires_grad_(grad)
    model.get_input_embeddings().padding_idx = None  # torch drops that token's gradient
    with torch.no_grad():
        for name, module in run.modules.items():
            product = module.scale * module.b.double() @ module.a.double()
            model.get_submodule(name).weight += product
    return model


def logprob(model: Any, ids: np.ndarray, begin: int) -> torch.Tensor:
    """Log-probability of ids[begin:] after ids[:begin], one sequence and no padding."""
    given = torch.from_numpy(ids.astype(np.int64))[None]
    logits = model(input_ids=given).logits[0]
    chances = torch.log_softmax(logits, -1)
    return sum(chances[at - 1, given[0, at]] for at in range(begin, len(ids)))
