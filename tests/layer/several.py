"""One process of a training run that torchrun started: the corpus's folder, where to work, the parameters, a step to die at."""

import json
import sys
from pathlib import Path

from rumpun.layer.distributed import leading
from rumpun.layer.params import TrainParams
from rumpun.layer.train import train
from rumpun.recipes import build
from rumpun.records.artefacts import Maker, Manifest
from rumpun.steps import Input, Work

corpus, place, given, die_at = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3]), int(sys.argv[4])
params = build(TrainParams, given, "test")
made_by = Maker(step="corpus.write", version=1, params={}, rumpun="0")
manifest = Manifest(kind="corpus", id="c" * 32, maker=made_by, licences=("CC0-1.0",))


def progress(done: float, total: float = 0, note: str = "") -> None:
    if die_at and "loss" in note and done >= die_at * params.batch_sequences * params.sequence_tokens:
        sys.exit(9)


with leading() as leads:
    if leads:
        for name in ("made", "keep"):
            (place / name).mkdir(parents=True, exist_ok=True)
        work = Work(
            inputs=(Input("corpus", corpus, manifest),), folder=place / "made", scratch=place / "keep", seed=7, progress=progress,
        )  # fmt: skip
        outcome = train.function(params, work)
        (place / "summary.json").write_text(json.dumps(outcome.summary))
