"""The step `layer.merge`: base + layer -> a transformers folder that anything can load, without torch."""

from pathlib import Path

from rumpun.engines.bases import base_of_layer
from rumpun.layer.params import MergeParams
from rumpun.steps import Outcome, Progress, Work, step

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
    from rumpun.layer.merging.models import merge_models
    from rumpun.layer.merging.params import MergeSettings
    from rumpun.layer.merging.parents import with_layer

    parent = with_layer(base, layer, progress)
    merge_models(
        [parent], None, MergeSettings(method="linear"), folder, precision="float32", progress=progress
    )
