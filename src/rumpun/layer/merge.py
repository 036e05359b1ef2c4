"""The step `layer.merge`: base + layer -> a transformers folder that anything can load, without torch."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from rumpun.engines.bases import base_of_layer
from rumpun.errors import InputError
from rumpun.layer.params import MergeParams
from rumpun.steps import Outcome, Progress, Work, step

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


__all__ = ["MergeParams", "merge", "merge_folder"]


@step(kind="model", version=1, needs=("layer",))
def merge(params: MergeParams, work: Work) -> Outcome:
    """Input: a layer. Writes config.json, model.safetensors (float32), tokenizer.json and what belongs to them."""
    del params
    layer = work.input("layer")
    base = base_of_layer(layer.folder, work.progress)
    if base.is_dir():
        merge_folder(base, layer.folder, work.folder, work.progress)
    else:
        from rumpun.weights.folder import write_folder

        write_folder(base, work.folder, layer=layer.folder, progress=work.progress)
    size = sum(path.stat().st_size for path in work.folder.iterdir())
    return Outcome(
        summary={"layer": layer.manifest.name, "base": base.name, "bytes": size, "precision": "float32"}
    )


def merge_folder(base: Path, layer: Path, folder: Path, progress: Progress) -> None:
    """Add a layer to a transformers folder, for layers that were trained on one.

    Raises:
        InputError: the layer was trained on other weights, or changes a weight that this base lacks.
    """
    import numpy as np
    from safetensors.numpy import load_file, save_file

    from rumpun.layer.base import base_sha256
    from rumpun.weights.layer_file import read_layer

    spec, tensors = read_layer(layer)
    found = base_sha256(base)
    if found != spec.base_sha256:
        raise InputError(
            f"{layer}: trained on '{spec.base_name}' (sha256 {spec.base_sha256[:12]}…), {base} is {found[:12]}…",
            "name the base that the layer was trained on",
        )
    if spec.tokens:
        raise InputError(
            f"{layer}: adds {len(spec.tokens)} tokens, which needs the base as GGUF", "name the base's GGUF"
        )
    products = {name.removesuffix(".a"): name for name in tensors if name.endswith(".a")}
    left = set(products)
    for path in sorted(base.iterdir()):
        if path.suffix == ".safetensors":
            weights = {name: _float32(array) for name, array in load_file(path).items()}
            for place, name in enumerate(weights):
                progress(place, len(weights), name)
                module = name.removesuffix(".weight")
                if module in products:
                    a, b = (np.asarray(tensors[f"{module}.{side}"], dtype=np.float32) for side in "ab")
                    weights[name] = weights[name] + np.float32(spec.alpha / spec.rank) * (b @ a)
                    left.discard(module)
            save_file(weights, folder / path.name, metadata={"format": "pt"})
        elif path.is_file() and path.suffix in (".json", ".jinja", ".txt", ".model"):
            shutil.copyfile(path, folder / path.name)
    if left:
        raise InputError(f"{layer}: {len(left)} of its modules are not in {base}, the first is {min(left)}",
                         "name the base that the layer was trained on")  # fmt: skip


def _float32(array: "npt.NDArray[np.floating]") -> "npt.NDArray[np.floating]":
    import numpy as np

    return array.astype(np.float32)
