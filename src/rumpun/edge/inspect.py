"""What a layer is, in words and figures; every number in it is checked on the way."""

from collections import Counter
from pathlib import Path
from typing import Any

from rumpun.errors import InputError
from rumpun.records.artefacts import MANIFEST, read_manifest

__all__ = ["inspect_layer"]


def inspect_layer(folder: Path) -> dict[str, Any]:
    """A layer's facts under stable keys.

    Raises:
        InputError: there is no layer, or it is damaged.
    """
    from rumpun.weights.layer_file import read_layer

    spec, tensors = read_layer(folder)
    found: dict[str, Any] = {
        "path": str(folder),
        "base": spec.base_name,
        "base_sha256": spec.base_sha256,
        **({"stands_on": spec.stands_on} if spec.stands_on else {}),
        "architecture": spec.architecture,
        "rank": spec.rank,
        "alpha": spec.alpha,
        "targets": list(spec.targets),
        "tensors": len(tensors),
        "parameters": sum(int(tensor.size) for tensor in tensors.values()),
        "size_bytes": sum(int(tensor.nbytes) for tensor in tensors.values()),
        "number_types": dict(Counter(str(tensor.dtype) for tensor in tensors.values())),
        "added_tokens": len(spec.tokens),
        "added_merges": len(spec.merges),
        "chat_template": spec.chat_template is not None,
        "licence": spec.licence,
    }
    if (folder / MANIFEST).is_file():
        try:
            manifest = read_manifest(folder)
        except InputError as error:
            raise InputError(error.message, "make or fetch the layer again") from error
        found |= {
            "id": manifest.id,
            "name": manifest.name,
            "languages": list(manifest.languages),
            "licences": list(manifest.licences),
        }
    return found
