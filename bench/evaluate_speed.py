"""The same multiple-choice items, weights and processor: rumpun beside lm-evaluation-harness.

    python bench/evaluate_speed.py [--languages id,en,th] [--tasks reading,culture,knowledge,causal] [--limit N] [--json]

lm-eval is measured where it is installed beside transformers (pip install lm-eval). It gets the embedded base as a folder of
float32 weights, the very texts that rumpun asks, and its own defaults of batching (`batch_size`, --lm-batch). rumpun asks the same
weights as a float32 GGUF through llama.cpp, that folder through its own transformers engine, and, for the speed that people get,
the base as it ships (Q4_1). Told: seconds of asking (loading apart), the share that is right by the sum of nats (`acc`) and by nats a byte (`acc_bytes`), and in how many
items the two chose another option. Then rumpun once more from its cache.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rumpun.engines.bases import as_folder
from rumpun.engines.embedded import base
from rumpun.engines.load import open_engine, resolve
from rumpun.evaluate.ask import Asker
from rumpun.evaluate.cache import Cache
from rumpun.evaluate.identity import identity_of, model_info
from rumpun.evaluate.questions import Question, questions
from rumpun.evaluate.records import Sample
from rumpun.evaluate.run import Plan, Settings, ask_model, plan
from rumpun.evaluate.tasks import task
from rumpun.weights.assemble import assemble

START = "<|endoftext|>"  # rumpun sets the end-of-text token before every text


def ours(place: str, made: Plan, cache: Path) -> tuple[float, list[Sample]]:
    """(Seconds of asking, samples)."""
    found = resolve(place)
    engine = open_engine(found)
    try:
        info = model_info(found, engine)
        engine.score([("Satu", " dua")])  # loads, and its self-test is done
        with Cache(cache) as kept:
            begun = time.perf_counter()
            samples, _ = ask_model(made, info, Asker(engine, identity_of(info), kept))
            return time.perf_counter() - begun, samples
    finally:
        engine.close()


def theirs(folder: Path, put: list[Question], batch: int) -> tuple[float, list[dict[str, Any]]]:
    """(Seconds of asking, what lm-eval logs of each item)."""
    import lm_eval
    from lm_eval.models.huggingface import HFLM

    model = HFLM(str(folder), device="cpu", dtype="float32", batch_size=batch)
    with tempfile.TemporaryDirectory() as scratch:
        rows = [
            {
                "text": START + q.prompt if q.prompt else START,
                "choices": list(q.follows),
                "gold": q.values.index(q.item.right),
                "id": q.item.id,
            }
            for q in put
        ]
        path = Path(scratch) / "items.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        config = {
            "task": "rumpun_items", "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(path)}},
            "test_split": "test", "output_type": "multiple_choice", "doc_to_text": "{{text}}", "doc_to_choice": "choices",
            "doc_to_target": "gold", "target_delimiter": "",
            "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
        }  # fmt: skip
        begun = time.perf_counter()
        said = lm_eval.simple_evaluate(model=model, tasks=[config], bootstrap_iters=0, log_samples=True)
        return time.perf_counter() - begun, said["samples"]["rumpun_items"]


def chosen(sample: dict[str, Any], put: Question) -> tuple[int, int]:
    """What lm-eval's log-probabilities choose: by their sum, and by byte."""
    nats = [float(one[0][0] if isinstance(one[0], list | tuple) else one[0]) for one in sample["resps"]]
    sizes = [len(follow.encode()) for follow in put.follows]
    by_byte = [n / s for n, s in zip(nats, sizes, strict=True)]
    return nats.index(max(nats)), by_byte.index(max(by_byte))


def mine(sample: Sample, put: Question) -> tuple[int, int]:
    """The same of ours."""
    by_byte = [n / len(f.encode()) for n, f in zip(sample.logprobs, put.follows, strict=True)]
    return sample.logprobs.index(max(sample.logprobs)), by_byte.index(max(by_byte))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--languages", default="id,en,th")
    parser.add_argument("--tasks", default="reading,culture,knowledge,causal")
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--lm-batch", type=int, default=8)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    os.environ["RUMPUN_DEVICE"] = "cpu"  # all on the same processor
    languages = tuple(asked.languages.split(","))
    made = plan(
        "bench",
        [task(name) for name in asked.tasks.split(",")],
        Settings(languages=languages, limit=asked.limit),
    )
    put = [q for cell in made.cells for q in questions(cell.task, cell.items, "likelihood")]
    found: dict[str, Any] = {"items": len(put), "load": os.getloadavg()[0], "languages": languages}
    embedded = base()
    folder = as_folder(embedded)
    with tempfile.TemporaryDirectory() as scratch:
        exact = Path(scratch) / "base-f32.gguf"
        assemble(embedded, None, exact, "F32")
        for name, place in (
            ("rumpun, float32", str(exact)),
            ("rumpun, float32, transformers", str(folder)),
            ("rumpun, as it ships (Q4_1)", "base"),
        ):
            cache = Path(scratch) / f"{len(found)}.sqlite"
            seconds, samples = ours(place, made, cache)
            again, _ = ours(place, made, cache)
            found[name] = {
                "seconds": round(seconds, 2),
                "from cache": round(again, 4),
                "picks": [mine(s, q) for s, q in zip(samples, put, strict=True)],
            }
    try:
        seconds, logged = theirs(folder, put, asked.lm_batch)
    except ImportError as error:
        sys.stderr.write(f"lm-eval is left out: {error}\n")
    else:
        by = {sample["doc"]["id"]: sample for sample in logged}
        found["lm-eval, float32"] = {
            "seconds": round(seconds, 2),
            "picks": [chosen(by[q.item.id], q) for q in put],
        }
    right = [q.values.index(q.item.right) for q in put]
    reference = found.get("lm-eval, float32", found["rumpun, float32"])["picks"]
    for one in found.values():
        if isinstance(one, dict):
            picks = one.pop("picks")
            for n, metric in enumerate(("acc", "acc_bytes")):
                one[metric] = sum(p[n] == r for p, r in zip(picks, right, strict=True)) / len(right)
                one[f"{metric}: other choices than lm-eval"] = sum(
                    p[n] != r[n] for p, r in zip(picks, reference, strict=True)
                )
    if asked.json:
        sys.stdout.write(json.dumps(found) + "\n")
        return
    for name, value in found.items():
        sys.stdout.write(f"{name}: {value}\n")


if __name__ == "__main__":
    main()
