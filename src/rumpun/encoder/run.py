"""A student on its way: begun, kept on disk, gone on with."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rumpun.encoder.encoder import GRAPH
from rumpun.encoder.params import EncoderParams
from rumpun.encoder.vocabulary import ROWS, TOKENIZER
from rumpun.errors import InputError
from rumpun.records.artefacts import MANIFEST, read_manifest

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    from rumpun.encoder.losses import Thrown
    from rumpun.encoder.model import Student
    from rumpun.encoder.targets import Targets
    from rumpun.encoder.teacher import Teacher

__all__ = ["WEIGHTS", "Run", "begin", "between", "device", "id_of", "keep", "resume", "weights_of"]

WEIGHTS = "student.safetensors"
_POSITIONS = 256


@dataclass(slots=True)
class Run:
    """A student on its way."""

    model: "Student"
    thrown: "Thrown"  # heads that are thrown away in the end
    optimiser: "torch.optim.AdamW"
    generator: "torch.Generator"  # of the negatives
    losses: list[dict[str, float]] = field(default_factory=list)
    rows_seen: int = 0
    steps: int = 0
    round: int = 0
    place: int = 0  # the next batch of the round
    seconds: float = 0.0


def device() -> str:
    """Where to train: the GPU, if there is one."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def begin(
    params: EncoderParams, vocabulary: Path, teacher: "Teacher", seed: int, earlier: Path | None = None
) -> Run:
    """A student with the teacher's layers and the vocabulary's first vectors, or with those of an `earlier` one."""
    import torch
    from safetensors.torch import load_file
    from tokenizers import Tokenizer

    from rumpun.encoder.losses import Thrown
    from rumpun.encoder.model import Student, layers_of, with_layers

    if earlier:
        tensors = _earlier(weights_of(earlier))
        subwords = Tokenizer.from_file(str(vocabulary / TOKENIZER)).get_vocab_size()
        if len(tensors["words.weight"]) != subwords:
            raise InputError(
                f"{earlier}: {len(tensors['words.weight'])} subwords, the vocabulary has {subwords}",
                "go on with the vocabulary that it was trained with",
            )
    else:
        tensors = dict(teacher.model.state_dict()) | {"words.weight": load_file(vocabulary / ROWS)["rows"]}
        tensors["places"] = tensors["places"][:_POSITIONS]
    tensors = with_layers(tensors, params.layers)
    model = Student(
        vocabulary=len(tensors["words.weight"]),
        positions=len(tensors["places"]),
        layers=layers_of(tensors),
        width=teacher.model.width,
        dropout=params.dropout,
    )
    model.load_state_dict(tensors)
    model.to(device())
    words = [model.words.weight]
    layers = [p for p in model.parameters() if p is not model.words.weight]
    thrown = Thrown(model.width).to(model.words.weight.device)
    optimiser = torch.optim.AdamW(
        [
            {"params": layers, "rate": params.rate},
            {"params": words, "rate": params.rate_words},
            {"params": list(thrown.parameters()), "rate": params.rate_probe},
        ],
        lr=params.rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True,
    )  # fmt: skip
    return Run(model, thrown, optimiser, torch.Generator().manual_seed(seed))


def between(
    begun: "Mapping[str, torch.Tensor]", ended: "Mapping[str, torch.Tensor]", way: float
) -> "dict[str, torch.Tensor]":
    """Weights on the line from where a run began to where it ended (Wortsman et al. 2022, arXiv 2109.01903).

    Halfway, a student keeps most of what it knew and has a good part of what it was then taught.
    """
    return {name: begun[name].lerp(tensor, way) for name, tensor in ended.items()}


def id_of(folder: Path | None) -> str:
    """The id of the artefact or release that a run began from, where it is one."""
    return read_manifest(folder).id if folder and (folder / MANIFEST).exists() else ""


def weights_of(folder: Path) -> Path:
    """The file of an earlier student: as it was trained, or as it is shipped."""
    for name in (WEIGHTS, GRAPH):
        if (folder / name).exists():
            return folder / name
    raise InputError(
        f"{folder}: holds neither {WEIGHTS} nor {GRAPH}", "name an encoder's folder in begin_from"
    )


def _earlier(path: Path) -> "dict[str, torch.Tensor]":
    """The tensors of an earlier student's file."""
    import torch
    from safetensors.torch import load_file

    from rumpun.encoder.onnx_graph import read_back

    if path.name == WEIGHTS:
        return {name: tensor.float() for name, tensor in load_file(path).items()}
    return {name: torch.from_numpy(tensor) for name, tensor in read_back(path).items()}


_STATE = ("rows_seen", "steps", "round", "place", "seconds", "losses")


def resume(run: Run, targets: "Targets", scratch: Path) -> None:
    """Go on where a run that was cut off kept its last checkpoint, if it kept one."""
    import torch

    path = scratch / "checkpoint.pt"
    if path.exists():
        kept = torch.load(path, weights_only=True, map_location="cpu")
        run.model.load_state_dict(kept["model"])
        run.thrown.load_state_dict(kept["thrown"])
        run.optimiser.load_state_dict(kept["optimiser"])
        run.generator.set_state(kept["generator"])
        targets.drawn |= kept["drawn"]
        for name in _STATE:
            setattr(run, name, kept[name])
        torch.set_rng_state(kept["luck"])  # of dropout
        if "luck_gpu" in kept and torch.cuda.is_available():
            torch.cuda.set_rng_state(kept["luck_gpu"])


def keep(run: Run, targets: "Targets", scratch: Path) -> None:
    """Write a checkpoint in place of the last one."""
    import torch

    part = scratch / "checkpoint.part"
    state: dict[str, Any] = {
        "model": run.model.state_dict(), "thrown": run.thrown.state_dict(), "optimiser": run.optimiser.state_dict(),
        "generator": run.generator.get_state(), "drawn": targets.drawn, "luck": torch.get_rng_state(),
    }  # fmt: skip
    if device() == "cuda":
        state["luck_gpu"] = torch.cuda.get_rng_state()
    torch.save(state | {name: getattr(run, name) for name in _STATE}, part)
    part.replace(scratch / "checkpoint.pt")
