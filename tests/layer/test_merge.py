"""The step `layer.merge`: the merged folder computes what the trained model computed."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rumpun.errors import InputError
from rumpun.layer.base import base_sha256
from rumpun.layer.merge import MergeParams, merge, merge_folder
from rumpun.layer.params import TARGETS
from rumpun.records.artefacts import Maker, Manifest, write_manifest
from rumpun.steps import Input, Work, quiet
from rumpun.weights.layer_file import LayerSpec, read_layer, write_layer

IDS = torch.arange(3, 43).reshape(2, 20)


def random_layer(folder: Path, base: Path, base_folder: Path) -> Path:
    from safetensors.numpy import load_file

    chance = np.random.default_rng(1)
    tensors = {}
    for name, weight in load_file(base_folder / "model.safetensors").items():
        module = name.removesuffix(".weight")
        if module.rpartition(".")[2] in TARGETS:
            tensors[f"{module}.a"] = chance.normal(0, 0.1, (4, weight.shape[1])).astype(np.float16)
            tensors[f"{module}.b"] = chance.normal(0, 0.1, (weight.shape[0], 4)).astype(np.float16)
    spec = LayerSpec(base_name="tiny", base_sha256=base_sha256(base), rank=4, alpha=8.0, targets=TARGETS)
    write_layer(folder, spec, tensors)
    return folder


def states(folder: Path) -> torch.Tensor:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        out: torch.Tensor = model(input_ids=IDS).logits
    return out


def expected(base_folder: Path, layer: Path) -> torch.Tensor:
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(base_folder, dtype=torch.float32)
    spec, tensors = read_layer(layer)
    with torch.no_grad():
        for name, module in model.named_modules():
            if f"{name}.a" in tensors:
                a, b = (torch.from_numpy(tensors[f"{name}.{side}"].astype(np.float32)) for side in "ab")
                module.weight += spec.alpha / spec.rank * b @ a
        out: torch.Tensor = model(input_ids=IDS).logits
    return out


@pytest.mark.parametrize("kind", ["gguf", "folder"])
def test_the_merged_model_computes_base_plus_product(
    tmp_path: Path, base_file: Path, base_folder: Path, kind: str
) -> None:
    base = base_file if kind == "gguf" else base_folder
    layer = random_layer(tmp_path / "layer", base, base_folder)
    maker = Maker(step="layer.train", version=1, params={"base": str(base)}, rumpun="0")
    manifest = write_manifest(layer, Manifest(kind="layer", id="a" * 32, name="one", maker=maker))
    (tmp_path / "merged").mkdir()
    made = Work(
        inputs=(Input("layer", layer, manifest),),
        folder=tmp_path / "merged",
        scratch=tmp_path,
        seed=1,
        progress=quiet,
    )
    outcome = merge.function(MergeParams(), made)
    assert outcome.summary["bytes"] > 0
    torch.testing.assert_close(states(made.folder), expected(base_folder, layer), rtol=1e-4, atol=1e-4)
    assert (states(made.folder) - states(base_folder)).abs().max() > 0.1


def test_a_layer_for_other_weights_is_refused(tmp_path: Path, base_file: Path, base_folder: Path) -> None:
    layer = random_layer(tmp_path / "layer", base_file, base_folder)
    with pytest.raises(InputError, match=r"trained on 'tiny'"):
        merge_folder(base_folder, layer, tmp_path / "out", quiet)


def test_a_layer_with_modules_that_the_base_lacks_is_refused(tmp_path: Path, base_folder: Path) -> None:
    layer = random_layer(tmp_path / "layer", base_folder, base_folder)
    smaller = tmp_path / "smaller"
    shutil.copytree(base_folder, smaller)
    from safetensors.numpy import load_file, save_file

    weights = {k: v for k, v in load_file(smaller / "model.safetensors").items() if "layers.1." not in k}
    save_file(weights, smaller / "model.safetensors")
    spec, tensors = read_layer(layer)
    write_layer(layer, _of(spec, smaller), tensors)
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="modules are not in"):
        merge_folder(smaller, layer, tmp_path / "out", quiet)


def _of(spec: LayerSpec, base: Path) -> LayerSpec:
    fields = {name: getattr(spec, name) for name in spec.__struct_fields__}
    return LayerSpec(**(fields | {"base_sha256": base_sha256(base)}))


def test_merging_has_no_choices() -> None:
    assert dataclasses.fields(MergeParams) == ()
