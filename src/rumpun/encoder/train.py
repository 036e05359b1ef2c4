"""The step `encoder.train`: pull a student's vectors to the teacher's vectors of the English sides.

Method of Reimers and Gurevych 2020 (arXiv 2004.09813): student(text) near teacher(its English side), here with two
losses: one minus the cosine, and a ranking loss in which the right English vector must win against those of the batch
and of several thousand other sentences (their vectors are fixed, so that many negatives cost little). A GPU is used
where there is one. The run keeps a checkpoint every few minutes and goes on from it after it was cut off.
"""

import json
import math
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rumpun.encoder.encoder import GRAPH
from rumpun.encoder.pairs import TABLE
from rumpun.encoder.vocabulary import ROWS, TOKENIZER
from rumpun.errors import InputError
from rumpun.records.artefacts import MANIFEST, read_manifest, sha256_file
from rumpun.steps import Outcome, Work, step

if TYPE_CHECKING:
    import torch

    from rumpun.encoder.batches import Batch, Material
    from rumpun.encoder.labels import Labels
    from rumpun.encoder.losses import Thrown
    from rumpun.encoder.model import Student
    from rumpun.encoder.plain import Plain
    from rumpun.encoder.targets import Targets
    from rumpun.encoder.teacher import Teacher

__all__ = ["LOSSES", "WEIGHTS", "EncoderParams", "train"]

WEIGHTS = "student.safetensors"
LOSSES = "losses.jsonl"
_KEEP_SECONDS = 180  # between checkpoints
_POSITIONS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderParams:
    """What the recipe may say."""

    languages: dict[str, float]  # share of the rows, English among them
    groups: dict[str, float]  # share of a language's rows
    begin_from: str = ""  # an encoder to go on from: a folder with student.safetensors or encoder.onnx
    layers: tuple[int, ...] = ()  # which layers of what it begins from, in order; empty for all
    minutes_max: float = 0.0  # of training; 0 for as many as `rows` need
    rows: int = 200_000  # rows seen in all
    rows_a_round: int = 40_000
    repeats_max: float = 3.0  # of one row in a round
    tokens_a_batch: int = 3072
    longest_tokens: int = 64
    rate: float = 1e-4  # of the layers
    rate_words: float = 5e-4  # of the subwords' vectors
    rate_end: float = 0.1  # the last rate, against the first
    warm_steps: int = 100
    temperature: float = 0.05
    ranking: float = 1.0  # weight of the ranking loss
    pull: float = 5.0  # weight of one minus the cosine
    negatives: int = 4096  # drawn at random
    near: int = 16  # negatives nearest to each right vector, besides those
    alike: float = 0.9  # cosine above which a sentence says the same: no negative
    labelled: float = 0.0  # weight of the labels' loss, where a step gives labelled texts
    labelled_rows: int = 16  # of them in each batch
    rate_probe: float = 1e-2
    plain: float = (
        0.0  # weight of the loss of words left out, where a step gives sentences without translations
    )
    plain_rows: int = 24  # of them in each batch
    plain_share: float = 0.5  # of a sentence's subwords
    latin: float = 0.1
    slips: float = 0.05
    mixing: float = 0.5
    mixing_languages: tuple[str, ...] = ()  # empty: those of `languages`

    def check(self) -> None:
        """Refuse what cannot be meant."""
        for name in ("rows", "rows_a_round", "tokens_a_batch", "longest_tokens", "negatives"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)}: expected 1 or more")
        for name in ("languages", "groups"):
            shares = getattr(self, name).values()
            if min(shares, default=0) < 0 or sum(shares) <= 0:
                raise ValueError(f"{name} = {getattr(self, name)}: expected shares, one of them above 0")


@dataclass(slots=True)
class _Run:
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


def _identity(params: EncoderParams) -> Mapping[str, Any]:
    """What was begun from, by its content: a folder's name says nothing of what lies in it."""
    if not params.begin_from:
        return {}
    return {"begin_from": sha256_file(_weights_of(Path(params.begin_from)))}


@step(kind="encoder-weights", version=2, identity=_identity, part="train", needs=("pairs", "vocabulary"))
def train(params: EncoderParams, work: Work) -> Outcome:
    """Train; write `student.safetensors`, the tokenizer beside it, and the losses."""
    import shutil

    import torch
    from safetensors.torch import save_file

    from rumpun.encoder.targets import Targets
    from rumpun.encoder.teacher import Teacher, teacher_source

    torch.manual_seed(work.seed)
    teacher = Teacher.load(work.progress)
    vocabulary = work.input("vocabulary").folder
    material, english = _material(params, work.input("pairs").folder, vocabulary)
    targets = Targets(teacher, english, work.scratch / "targets")
    run = _begin(params, vocabulary, teacher, work.seed)
    _resume(run, targets, work.scratch)
    _steps(params, run, _seen(params, material, targets, work), work)
    save_file(
        {name: tensor.half().contiguous() for name, tensor in run.model.state_dict().items()},
        str(work.folder / WEIGHTS),
    )
    shutil.copyfile(vocabulary / TOKENIZER, work.folder / TOKENIZER)
    with (work.folder / LOSSES).open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in run.losses)
    return Outcome(
        sources=(teacher_source(),),
        summary={
            "rows_seen": run.rows_seen, "steps": run.steps, "seconds": round(run.seconds),
            "loss": [run.losses[0], run.losses[-1]] if run.losses else [],
            "begun_from": params.begin_from, "begun_from_id": _id_of(params.begin_from),
            "layers": len(run.model.layers), "parameters": sum(p.numel() for p in run.model.parameters()),
        },
        tools={"torch": str(torch.__version__)},
        name="rumpun-encoder",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Seen:
    """All that a run learns from."""

    material: "Material"
    targets: "Targets"
    labels: "Labels | None"
    plain: "Plain | None"


def _seen(params: EncoderParams, material: "Material", targets: "Targets", work: Work) -> _Seen:
    """With the labelled texts and the sentences without translations among the inputs, where they have a weight.

    Raises:
        UsageError: they do, and no input has any.
    """
    from rumpun.encoder import labels, plain

    held = material.tokenizer, material.longest
    return _Seen(
        material,
        targets,
        labels.read_labels(work.input(labels.KIND).folder, *held) if params.labelled else None,
        plain.read_texts(work.input(plain.KIND).folder, *held) if params.plain else None,
    )


def _material(params: EncoderParams, folder: Path, vocabulary: Path) -> "tuple[Material, list[str]]":
    """Rows of the fit, and English sides without repetition (rows of language `en` are the English sides themselves)."""
    from pyarrow import parquet
    from tokenizers import Tokenizer

    from rumpun.encoder.batches import Material
    from rumpun.encoder.noise import Noise

    table = parquet.read_table(folder / TABLE).to_pydict()
    places: dict[str, int] = {}
    rows: list[tuple[str, str, str, int]] = []
    kind: dict[str, str] = {}
    lexicon: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    mixed = set(params.mixing_languages or params.languages)
    for where, language, text, english, group in zip(
        *(table[name] for name in ("split", "language", "text", "english", "group")), strict=True
    ):
        if where != "fit" or language not in {*params.languages, "en"}:
            continue
        target = places.setdefault(english, len(places))
        kind.setdefault(english, group)
        if language == "en":
            continue  # every English side becomes a row of its own below
        rows.append((text, language, group, target))
        if group == "lexicon" and language in mixed and " " not in english:
            lexicon[language][english.lower()].append(text)
    if not rows:
        raise InputError(f"{folder}: no row of {', '.join(params.languages)} to fit", "name its languages")
    rows += [(english, "en", kind[english], target) for english, target in places.items()]
    texts, languages, groups, targets = zip(*rows, strict=True)
    noise = Noise(latin=params.latin, slips=params.slips, mixing=params.mixing, lexicon=lexicon)
    tokenizer = Tokenizer.from_file(str(vocabulary / TOKENIZER))
    return Material(texts, languages, groups, targets, tokenizer, noise, params.longest_tokens), list(places)


def _begin(params: EncoderParams, vocabulary: Path, teacher: "Teacher", seed: int) -> _Run:
    """A student with the teacher's layers and the vocabulary's first vectors, or with an earlier student's."""
    import torch
    from safetensors.torch import load_file

    from rumpun.encoder.losses import Thrown
    from rumpun.encoder.model import Student, layers_of, with_layers

    rows = load_file(vocabulary / ROWS)["rows"]
    tensors = dict(teacher.model.state_dict()) | {"words.weight": rows}
    tensors["places"] = tensors["places"][:_POSITIONS]
    if params.begin_from:
        tensors = _earlier(_weights_of(Path(params.begin_from)))
        if len(tensors["words.weight"]) != len(rows):
            raise InputError(
                f"{params.begin_from}: {len(tensors['words.weight'])} subwords, the vocabulary has {len(rows)}",
                "go on with the vocabulary that it was trained with",
            )
    tensors = with_layers(tensors, params.layers)
    model = Student(
        vocabulary=len(rows),
        positions=len(tensors["places"]),
        layers=layers_of(tensors),
        width=teacher.model.width,
    )
    model.load_state_dict(tensors)
    model.to("cuda" if torch.cuda.is_available() else "cpu")
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
    return _Run(model, thrown, optimiser, torch.Generator().manual_seed(seed))


def _id_of(folder: str) -> str:
    """The id of the artefact or release that a run began from, where it is one."""
    return read_manifest(Path(folder)).id if folder and (Path(folder) / MANIFEST).exists() else ""


def _weights_of(folder: Path) -> Path:
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


def _resume(run: _Run, targets: "Targets", scratch: Path) -> None:
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


def _keep(run: _Run, targets: "Targets", scratch: Path) -> None:
    import torch

    part = scratch / "checkpoint.part"
    state: dict[str, Any] = {
        "model": run.model.state_dict(), "thrown": run.thrown.state_dict(), "optimiser": run.optimiser.state_dict(),
        "generator": run.generator.get_state(), "drawn": targets.drawn,
    }  # fmt: skip
    torch.save(state | {name: getattr(run, name) for name in _STATE}, part)
    part.replace(scratch / "checkpoint.pt")


def _steps(params: EncoderParams, run: _Run, seen: _Seen, work: Work) -> None:
    from rumpun.encoder.batches import quotas, rounds

    material, targets = seen.material, seen.targets

    wanted = quotas(
        material.cells(), params.languages, params.groups, params.rows_a_round, params.repeats_max
    )
    if not any(wanted.values()):
        raise InputError(
            f"no row of the languages {', '.join(params.languages)} in the groups {', '.join(params.groups)}",
            "give a share to languages and groups that the pairs hold",
        )
    kept = time.monotonic()
    stream = rounds(material, wanted, tokens_a_batch=params.tokens_a_batch, seed=work.seed, first=run.round)
    while _share(params, run) < 1:
        batches = next(stream)
        targets.need([t for b in batches for t in b.targets], work.progress)
        for batch in batches[run.place :]:
            begun = time.monotonic()
            loss = _one(params, run, batch, seen)
            run.steps += 1
            run.place += 1
            run.rows_seen += len(batch.ids)
            run.seconds += time.monotonic() - begun
            if run.steps % 20 == 0:
                run.losses.append({"rows": run.rows_seen, **loss})
                work.progress(_share(params, run), 1, f"loss {loss['loss']:.3f}, rank {loss['first']:.2f}")
            if time.monotonic() - kept > _KEEP_SECONDS:
                _keep(run, targets, work.scratch)
                kept = time.monotonic()
            if _share(params, run) >= 1:
                break
        else:
            run.round, run.place = run.round + 1, 0


def _share(params: EncoderParams, run: _Run) -> float:
    """How much of the run is done, by rows or by time, whichever ends first.

    By rows, a seed gives the same student again on one kind of machine; by time it does not.
    """
    by_time = run.seconds / (60 * params.minutes_max) if params.minutes_max else 0.0
    return max(run.rows_seen / params.rows, by_time)


def _one(params: EncoderParams, run: _Run, batch: "Batch", seen: _Seen) -> dict[str, float]:
    import torch

    from rumpun.encoder.losses import labelled, pulled, words_left_out
    from rumpun.encoder.model import padded

    targets = seen.targets
    warm = min(1.0, (run.steps + 1) / params.warm_steps)
    fall = params.rate_end + (1 - params.rate_end) * 0.5 * (
        1 + math.cos(math.pi * min(1.0, _share(params, run)))
    )
    for group in run.optimiser.param_groups:
        group["lr"] = group["rate"] * warm * fall
    place = run.model.words.weight.device
    own, column = torch.unique(torch.tensor(batch.targets), return_inverse=True)
    others = targets.others(params.negatives, own, run.generator)
    if params.near:
        others = torch.cat([others, targets.near(own, params.near, params.alike)])
    found = run.model(*(t.to(place) for t in padded(batch.ids)))
    told = pulled(
        found, targets.vectors(own).to(place), others.to(place), column.to(place), params.temperature
    )
    loss = params.ranking * told["ranking"] + params.pull * told["pull"]
    if seen.labels is not None:
        told["labelled"] = labelled(
            run.model, run.thrown.probe, *seen.labels.draw(params.labelled_rows, run.generator)
        )
        loss = loss + params.labelled * told["labelled"]
    if seen.plain is not None:
        told["left_out"] = words_left_out(
            run.model,
            run.thrown.decoder,
            *seen.plain.draw(params.plain_rows, params.plain_share, run.generator),
        )
        loss = loss + params.plain * told["left_out"]
    run.optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
    run.optimiser.step()
    return {"loss": loss.item()} | {name: value.item() for name, value in told.items()}
