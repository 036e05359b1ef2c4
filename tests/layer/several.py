"""One process of a training run, alone or started by torchrun: the corpus's folder, where to work, the step, its parameters, when to die."""

import json
import os
import signal
import sys
from pathlib import Path

from rumpun.layer.distributed import leading
from rumpun.recipes import build
from rumpun.records.artefacts import Maker, Manifest
from rumpun.steps import Input, Work, resolve

corpus, place, step = Path(sys.argv[1]), Path(sys.argv[2]), resolve(sys.argv[3])
params, die_at = build(step.params, json.loads(sys.argv[4]), "test"), int(sys.argv[5])
made_by = Maker(step="corpus.write", version=1, params={}, rumpun="0")
manifest = Manifest(kind="corpus", id="c" * 32, maker=made_by, licences=("CC0-1.0",))


def progress(done: float, total: float = 0, note: str = "") -> None:
    if die_at and "loss" in note and done >= die_at * params.batch_sequences * params.sequence_tokens:
        os.kill(os.getpid(), signal.SIGKILL)


with leading() as leads:
    if leads:
        for name in ("made", "keep"):
            (place / name).mkdir(parents=True, exist_ok=True)
        work = Work(
            inputs=(Input("corpus", corpus, manifest),), folder=place / "made", scratch=place / "keep", seed=7, progress=progress,
        )  # fmt: skip
        outcome = step.function(params, work)
        (place / "summary.json").write_text(json.dumps(outcome.summary))
