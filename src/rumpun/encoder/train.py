"""The step `encoder.train`: pull a student's vectors to the teacher's vectors of the English sides.

Method of Reimers and Gurevych 2020 (arXiv 2004.09813): student(text) near teacher(its English side), here with two
losses: one minus the cosine, and a ranking loss in which the right English vector must win against those of the batch
and of several thousand other sentences (their vectors are fixed, so that many negatives cost little). A GPU is used
where there is one. The run keeps a checkpoint every few minutes and goes on from it after it was cut off.
"""

import json
import math
import os
import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rumpun.encoder.pairs import TABLE
from rumpun.encoder.params import EncoderParams
from rumpun.encoder.run import WEIGHTS, Run, begin, between, device, id_of, keep, resume, weights_of
from rumpun.encoder.vocabulary import TOKENIZER
from rumpun.errors import InputError, UsageError
from rumpun.records.artefacts import sha256_file
from rumpun.steps import Outcome, Work, step

if TYPE_CHECKING:
    import torch

    from rumpun.encoder.batches import Batch, Material
    from rumpun.encoder.labels import Labels
    from rumpun.encoder.plain import Plain
    from rumpun.encoder.targets import Targets

__all__ = ["LOSSES", "WEIGHTS", "EncoderParams", "train"]

KIND = "encoder-weights"
LOSSES = "losses.jsonl"
_KEEP_SECONDS = 180  # between checkpoints
_AHEAD_MAX = 16  # processes that make rounds ahead where a GPU would wait for them


def _identity(params: EncoderParams) -> Mapping[str, Any]:
    """What was begun from, by its content: a folder's name says nothing of what lies in it."""
    if not params.begin_from:
        return {}
    return {"begin_from": sha256_file(weights_of(Path(params.begin_from)))}


@step(kind=KIND, version=2, identity=_identity, part="train", needs=("pairs", "vocabulary"))
def train(params: EncoderParams, work: Work) -> Outcome:
    """Train; write `student.safetensors`, the tokenizer beside it, and the losses."""
    import shutil

    import torch
    from safetensors.torch import save_file

    from rumpun.encoder.targets import Targets
    from rumpun.encoder.teacher import Teacher, teacher_source

    earlier = _begun_from(params, work)
    torch.manual_seed(work.seed)
    teacher = Teacher.load(work.progress)
    vocabulary = work.input("vocabulary").folder
    material, english = _material(params, work.input("pairs").folder, vocabulary)
    run = begin(params, vocabulary, teacher, work.seed, earlier)
    begun = {name: tensor.clone() for name, tensor in run.model.state_dict().items()}
    teacher.model.to(device())
    targets = Targets(teacher, english, work.scratch / "targets")
    resume(run, targets, work.scratch)
    _steps(params, run, _seen(params, material, targets, work), work)
    made = between(begun, run.model.state_dict(), params.way)
    save_file({name: tensor.half().contiguous() for name, tensor in made.items()}, str(work.folder / WEIGHTS))
    shutil.copyfile(vocabulary / TOKENIZER, work.folder / TOKENIZER)
    with (work.folder / LOSSES).open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in run.losses)
    return Outcome(
        sources=(teacher_source(),),
        summary={
            "rows_seen": run.rows_seen, "steps": run.steps, "seconds": round(run.seconds),
            "loss": [run.losses[0], run.losses[-1]] if run.losses else [],
            "begun_from": params.begin_from, "begun_from_id": id_of(earlier), "device": _device_name(),
            "layers": len(run.model.layers), "parameters": sum(p.numel() for p in run.model.parameters()),
        },
        tools={"torch": str(torch.__version__)},
        name="rumpun-encoder",
    )  # fmt: skip


def _begun_from(params: EncoderParams, work: Work) -> Path | None:
    """The encoder to go on from: a folder that the recipe names, or what an earlier step of it made.

    Raises:
        UsageError: both are given, or neither, and the end is to be between two.
    """
    made = next((put.folder for put in work.inputs if put.manifest.kind == KIND), None)
    if made and params.begin_from:
        raise UsageError(
            f"begin_from = '{params.begin_from}', and a step gives {KIND} too", "leave one of them out"
        )
    if params.way < 1 and not (made or params.begin_from):
        raise UsageError(
            f"way = {params.way}, and there is nothing that the run begins from",
            f"name it in begin_from, or a step that makes {KIND} in `needs`",
        )
    return made or (Path(params.begin_from) if params.begin_from else None)


def _device_name() -> str:
    import torch

    return torch.cuda.get_device_name() if device() == "cuda" else "cpu"


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
    noise = Noise(
        latin=params.latin,
        slips=params.slips,
        mixing=params.mixing,
        lexicon={k: dict(v) for k, v in lexicon.items()},
    )
    tokenizer = Tokenizer.from_file(str(vocabulary / TOKENIZER))
    material = Material(
        texts, languages, groups, targets, tokenizer, noise, params.longest_tokens, params.loose
    )
    return material, list(places)


def _steps(params: EncoderParams, run: Run, seen: _Seen, work: Work) -> None:
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
    ahead = _ahead()
    order = rounds(
        material, wanted, tokens_a_batch=params.tokens_a_batch, seed=work.seed, first=run.round, ahead=ahead
    )
    with closing(order) as stream:
        while _share(params, run) < 1:
            asked = time.monotonic()
            batches = next(stream)
            run.seconds += time.monotonic() - asked
            if not ahead:
                targets.need([t for b in batches for t in b.targets], work.progress)
            elif not targets.complete:  # on a GPU they cost little, and neighbours are then looked up once
                targets.need(range(len(targets.english)), work.progress)
            for batch in batches[run.place :]:
                begun = time.monotonic()
                told = _one(params, run, batch, seen)
                run.steps += 1
                run.place += 1
                run.rows_seen += len(batch.ids)
                if run.steps % 20 == 0:  # to read a number of a GPU is to wait for it
                    loss = {name: value.item() for name, value in told.items()}
                    run.losses.append({"rows": run.rows_seen, **loss})
                    work.progress(
                        _share(params, run), 1, f"loss {loss['loss']:.3f}, rank {loss['first']:.2f}"
                    )
                run.seconds += time.monotonic() - begun
                if time.monotonic() - kept > _KEEP_SECONDS:
                    keep(run, targets, work.scratch)
                    kept = time.monotonic()
                if _share(params, run) >= 1:
                    break
            else:
                run.round, run.place = run.round + 1, 0


def _ahead() -> int:
    """How many processes make rounds ahead: a GPU would wait for them, two cores have enough to do."""
    return min(_AHEAD_MAX, len(os.sched_getaffinity(0)) - 1) if device() == "cuda" else 0


def _share(params: EncoderParams, run: Run) -> float:
    """How much of the run is done, by rows or by time, whichever ends first.

    By rows, a seed gives the same student again on one kind of machine; by time it does not.
    """
    by_time = run.seconds / (60 * params.minutes_max) if params.minutes_max else 0.0
    return max(run.rows_seen / params.rows, by_time)


def _one(params: EncoderParams, run: Run, batch: "Batch", seen: _Seen) -> "dict[str, torch.Tensor]":
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
    told = pulled(found, targets.vectors(own), others, column.to(place), params.temperature)
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
    return {"loss": loss.detach()} | {name: value.detach() for name, value in told.items()}
