"""What the tests of full training share: small parameters, where a step works, artefacts."""

import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from rumpun.layer.params import FullParams, TrainParams
from rumpun.layer.train import train
from rumpun.records.artefacts import Maker, Manifest, write_manifest
from rumpun.steps import Input, Work, quiet
from rumpun.weights.layer_file import read_layer, write_layer

PARAMS = FullParams(
    base="tiny", tokens=1024, sequence_tokens=32, batch_sequences=4, micro_tokens=64, learning_rate=2e-3, epochs_max=20.0,
    chat_share=0.25, checkpoint_seconds=1, precision="float32",
)  # fmt: skip


def work(folder: Path, *inputs: Input, progress: Any = quiet) -> Work:
    shutil.rmtree(folder / "made", ignore_errors=True)
    for name in ("made", "keep"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return Work(inputs=inputs, folder=folder / "made", scratch=folder / "keep", seed=7, progress=progress)


def made(folder: Path, kind: str, base: Path) -> Input:
    step = {"layer": "layer.train", "model": "layer.full"}[kind]
    maker = Maker(step=step, version=1, params={"base": str(base)}, rumpun="0")
    manifest = Manifest(kind=kind, id="a" * 32, name="made", maker=maker)
    write_manifest(folder, manifest)
    return Input(kind, folder, manifest)


def layer_with_rows(folder: Path, base: Path, corpus: Input) -> tuple[Input, int]:
    """A trained layer with three more tokens on it."""
    params = TrainParams(
        base=str(base), tokens=512, sequence_tokens=32, batch_sequences=4, rank=4, alpha=8.0, learning_rate=2e-2, epochs_max=20.0,
        precision="float32",
    )  # fmt: skip
    train.function(params, work(folder / "products", corpus))
    spec, tensors = read_layer(folder / "products" / "made")
    tokens = tuple(f"<more {n}>" for n in range(3))
    rows = np.random.default_rng(0).standard_normal((3, 64)).astype(np.float32) / 50
    write_layer(
        folder / "layer",
        msgspec.structs.replace(spec, tokens=tokens),
        tensors | {"model.embed_tokens.rows": rows},
    )
    return made(folder / "layer", "layer", base), len(tokens)
