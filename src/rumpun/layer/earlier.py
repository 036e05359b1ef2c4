"""The layer that a run goes on from: its products, its vocabulary, its chat form."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rumpun.engines.bases import as_gguf
from rumpun.errors import InputError
from rumpun.layer.base import base_sha256
from rumpun.layer.params import KEPT_STATE, TRAINING, TrainParams, TuneParams
from rumpun.steps import Input
from rumpun.weights.layer_file import LayerSpec, read_layer

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from rumpun.layer.prepared import Run

__all__ = ["Earlier", "read_earlier", "tokenizer_folder"]

_CHAT = ("chat_sources", "chat_system", "chat_system_share")  # of a summary: what `RunParams.chat_read` says


@dataclass(frozen=True, slots=True)
class Earlier:
    """A layer among the inputs, checked against the base."""

    input: Input
    spec: LayerSpec
    rows: "dict[str, npt.NDArray[np.floating]]"  # of added tokens, by the layer file's names
    products: "dict[str, npt.NDArray[np.floating]]"

    def begin(self, params: TrainParams, run: "Run") -> dict[str, Any]:
        """Put the products in place (the rows stand already); returns what the card says of it.

        An embedding's product that the layer has not got begins at nothing.

        Raises:
            InputError: the layer has other products than the run.
        """
        import torch

        folder = self.input.folder
        for name, value in {"rank": params.rank, "alpha": params.alpha}.items():
            if self.products and getattr(self.spec, name) != value:
                raise InputError(
                    f"{folder}: {name} = {getattr(self.spec, name)}, this run has {value}",
                    "train with the same rank and alpha as the layer that it goes on from",
                )
        trained = {name for name in run.parameters if not name.endswith(".rows")}
        new = {name for name in trained - self.products.keys() if "embed_tokens" in name.split(".")}
        if set(self.products) != trained - new or params.embeddings_rank not in (0, params.rank):
            raise InputError(f"{folder}: other targets than this run's", "name the same targets")
        with torch.no_grad():
            for name, numbers in self.products.items():
                run.parameters[name].copy_(torch.from_numpy(numbers.astype("float32")))
        return self.begun_from()

    def begin_state(self, run: "Run") -> None:
        """Put the numbers in place as they were, in float32, with the optimiser's.

        Raises:
            InputError: the layer keeps no state, or that of another run.
        """
        from rumpun.layer.checkpoint import load_state

        folder = self.input.folder
        if not (folder / KEPT_STATE).is_file():
            raise InputError(
                f"{folder}: no {KEPT_STATE}, and go_on = 'state'",
                "train it with keep_state = true, or take go_on = 'data'",
            )
        load_state(folder, run.parameters, run.optimizer, None, file=KEPT_STATE)

    def taken(self, params: TuneParams, corpus: str, seed: int) -> dict[str, int]:
        """Sequences of each source that were seen already, where the run goes on in the text.

        Raises:
            InputError: the layer learnt from another corpus, with other sequences or seed, or does not say.
        """
        from rumpun.layer.checkpoint import read_words
        from rumpun.layer.source import CHAT

        data = self.input.manifest.summary.get("data") or {}
        now = {"corpus": corpus, "seed": seed, "sequence_tokens": params.sequence_tokens}
        for name, value in now.items():
            if data.get(name) != value:
                said = data.get(name, "not told")
                raise InputError(
                    f"{self.input.folder}: {name} is {said}, this run has {value}, so its place in the text is lost",
                    "train on the same corpus with the same sequences, or take go_on = 'weights'",
                )
        taken = dict(data["taken"])
        if params.go_on == "state":
            kept = read_words(self.input.folder, KEPT_STATE).get("taken")
            taken = json.loads(kept) if kept else taken
        if {name: data[name] for name in _CHAT if name in data} != params.chat_read:
            taken.pop(CHAT, None)  # other rows, or rows of other lengths: begun again
        return {name: int(count) for name, count in taken.items()}

    def begun_from(self) -> dict[str, Any]:
        """What a card says of the layer."""
        done = self.input.manifest.summary
        told = ("steps", "tokens", "seconds", "device") if self.input.manifest.maker.step in TRAINING else ()
        kept = {name: done[name] for name in told if name in done}
        return {"begun_from": {"layer": self.input.manifest.id, **kept}}


def read_earlier(found: Input, base: Path) -> Earlier:
    """Read a layer for this base.

    Raises:
        InputError: it is damaged, or stands on another base.
    """
    spec, tensors = read_layer(found.folder)
    here = base_sha256(base)
    if spec.base_sha256 != here:
        raise InputError(
            f"{found.folder}: base_sha256 = {spec.base_sha256}, this run has {here}",
            "train on the same base as the layer that it goes on from",
        )
    if spec.stands_on is not None:
        raise InputError(
            f"{found.folder}: stands on the layer {spec.stands_on[:12]}…, not on the base alone",
            "stack the two with rumpun layer merge, and name the outcome",
        )
    rows = {name: tensor for name, tensor in tensors.items() if name.endswith(".rows")}
    return Earlier(found, spec, rows, {name: tensors[name] for name in tensors.keys() - rows.keys()})


def tokenizer_folder(base: Path, spec: LayerSpec, folder: Path) -> Path:
    """A folder with the base's tokenizer and the layer's vocabulary, as transformers reads it.

    Raises:
        InputError: the base cannot be read, or its tokenizer is no byte-level BPE.
    """
    from rumpun.weights.gguf_file import read_gguf
    from rumpun.weights.tokenizer_json import tokenizer_config, tokenizer_json
    from rumpun.weights.vocabulary import extended

    file = read_gguf(as_gguf(base))
    metadata = extended(file, spec)
    template = spec.chat_template or file.get("tokenizer.chat_template")
    tables = {
        "tokenizer.json": tokenizer_json(file, metadata),
        "tokenizer_config.json": tokenizer_config(metadata, int(file.hyper("context_length")), template),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        (folder / name).write_text(json.dumps(table, ensure_ascii=False), encoding="utf-8")
    return folder
