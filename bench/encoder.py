"""The sentence encoder: translations found, topics across languages, entailment, and how long a sentence takes.

    RUMPUN_DATA=… python bench/encoder.py [--encoder DIR] [--student DIR] [--pairs FILE] [--only PART …] [--json]

--encoder is ours by default. --student names a folder with student.safetensors and tokenizer.json, which is measured in
float32 and with rows of 8 and 4 bits. --pairs is a pairs.parquet with the split `held-out`; by default the encoder's lineage
says which sources are read. PART:

    retrieval  accuracy at 1 of the other side among up to 1,000, both ways, on held-out sources
    topics     SIB-200: a head learns from English alone (split `train`), each language's split `test` is measured
    nli        IndoNLI (expert and lay test): area under the ROC curve of the cosine, entailment against contradiction; a rough
               measure, since a contradiction is about the same thing
    speed      milliseconds of one text of about 20, 50, 100 and 250 tokens on one thread, splitting into tokens included;
               short sentences (16 tokens at most) a second on two threads

Beside ours: the teacher all-MiniLM-L6-v2, which knows English alone, and TF-IDF of 2 to 5 characters inside words (20,000 of them,
learnt from the measured texts themselves, which is in its favour). Nothing here is tuned on: the SIB-200 head has fixed
settings. Figures of a loaded machine are no figures: `load` says how many processes wanted a core.
"""

import argparse
import datetime as dt
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from rumpun.encoder import Encoder
from rumpun.encoder.encoder import GRAPH, SPEC, TOKENIZER, EncoderSpec
from rumpun.encoder.export import kept_out
from rumpun.encoder.measure import Embed, retrieval, topics
from rumpun.encoder.model import Student, padded
from rumpun.encoder.onnx_graph import build
from rumpun.encoder.pairs import Pair
from rumpun.encoder.read import shipped_held_out
from rumpun.encoder.teacher import Teacher
from rumpun.encoder.train import WEIGHTS
from rumpun.engines.machine import instructions
from rumpun.errors import RumpunError
from rumpun.records.artefacts import sha256_file
from rumpun.records.places import source_data

PARTS = ("retrieval", "topics", "nli", "speed")
LENGTHS = (20, 50, 100, 250)
TOGETHER = 64


def student_in_float(folder: Path) -> Embed:
    """The student as it was trained."""
    import torch
    from safetensors.torch import load_file
    from tokenizers import Tokenizer

    tensors = {name: tensor.float() for name, tensor in load_file(folder / WEIGHTS).items()}
    layers = sum(name.endswith(".qkv.weight") for name in tensors)
    size, width = tensors["words.weight"].shape
    model = Student(vocabulary=size, positions=len(tensors["places"]), layers=layers, width=width).eval()
    model.load_state_dict(tensors)
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    tokenizer.enable_truncation(len(tensors["places"]))

    def embed(texts: Sequence[str]) -> npt.NDArray[np.float32]:
        found = np.zeros((len(texts), width), np.float32)
        ids = [e.ids for e in tokenizer.encode_batch(list(texts))]
        order = sorted(range(len(ids)), key=lambda n: len(ids[n]))
        with torch.inference_mode():
            for start in range(0, len(order), TOGETHER):
                part = order[start : start + TOGETHER]
                found[part] = model(*padded([ids[n] for n in part])).numpy()
        return found

    return embed


def student_in_bits(folder: Path, bits: int, into: Path) -> Embed:
    """The same student as it would be shipped with rows of so many bits."""
    from safetensors.numpy import load_file

    tensors = {name: tensor.astype(np.float32) for name, tensor in load_file(folder / WEIGHTS).items()}
    into.mkdir()
    (into / GRAPH).write_bytes(build(tensors, bits=bits, weight_most=63).SerializeToString())
    shutil.copyfile(folder / TOKENIZER, into / TOKENIZER)
    size, width = tensors["words.weight"].shape
    spec = EncoderSpec(
        name="trial", width=width, longest_tokens=len(tensors["places"]), languages=(), subwords=size, row_bits=bits,
        files={name: sha256_file(into / name) for name in (GRAPH, TOKENIZER)},
    )  # fmt: skip
    (into / SPEC).write_bytes(msgspec.json.encode(spec))
    return Encoder.load(into).embed


def counts_of(texts: Sequence[str]) -> Embed:
    """TF-IDF of character n-grams, its vocabulary learnt from the texts."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    counter = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(2, 5), max_features=20_000, sublinear_tf=True, dtype=np.float32
    ).fit(texts)
    return lambda some: counter.transform(some).toarray()


def rows_of(name: str, *columns: str) -> list[dict[str, Any]]:
    from pyarrow import parquet

    rows: list[dict[str, Any]] = parquet.read_table(
        source_data() / "eval" / f"{name}.parquet", columns=list(columns)
    ).to_pylist()
    return rows


def measured_topics(makers: dict[str, Embed], languages: Sequence[str]) -> dict[str, Any]:
    rows = rows_of("sib200.topic", "language", "split", "category", "text")
    for row in rows:
        row["language"] = {"zh-Hans": "zh"}.get(row["language"], row["language"])
    fit = [(r["text"], r["category"]) for r in rows if r["language"] == "en" and r["split"] == "train"]
    test = [
        (r["language"], r["text"], r["category"])
        for r in rows
        if r["language"] in languages and r["split"] == "test"
    ]
    every = makers | {"tf-idf": counts_of([*(t for t, _ in fit), *(t for _, t, _ in test)])}
    return {name: topics(embed, fit, test) for name, embed in every.items()}


def measured_nli(makers: dict[str, Embed]) -> dict[str, Any]:
    from sklearn.metrics import roc_auc_score

    rows = [
        row
        for row in rows_of("indonli.nli", "split", "premise", "hypothesis", "label")
        if row["split"].startswith("test") and row["label"] in ("e", "c")
    ]
    truth = [row["label"] == "e" for row in rows]
    sides = [[row[side] for row in rows] for side in ("premise", "hypothesis")]
    every = makers | {"tf-idf": counts_of([*sides[0], *sides[1]])}
    found = {}
    for name, embed in every.items():
        close = (embed(sides[0]) * embed(sides[1])).sum(1)
        found[name] = {"rows": len(rows), "auroc": round(float(roc_auc_score(truth, close)), 4)}
    return found


def measured_speed(folder: Path | None, pairs: Sequence[Pair]) -> dict[str, Any]:
    one = Encoder.load(folder, threads=1)
    found: dict[str, Any] = {"milliseconds": {}}
    for language in ("id", "th"):
        words = " ".join(p.text for p in pairs if p.language == language)
        for length in LENGTHS:
            cut = next(n for n in range(length, len(words), 3) if one.tokens([words[:n]])[0] >= length)
            text = words[:cut]
            times = []
            for _ in range(220):
                start = time.perf_counter()
                one.embed([text])
                times.append(1000 * (time.perf_counter() - start))
            p50, p99 = (float(x) for x in np.percentile(times[20:], [50, 99]))
            found["milliseconds"][f"{language} {one.tokens([text])[0]}"] = {
                "p50": round(p50, 2), "p99": round(p99, 2), "least": round(min(times), 2),
            }  # fmt: skip
    two = Encoder.load(folder, threads=2)
    short = [p.text for p, n in zip(pairs, two.tokens([p.text for p in pairs]), strict=True) if n <= 16]
    short = (short * (1024 // len(short) + 1))[:1024]
    best = 0.0
    for _ in range(4):
        start = time.perf_counter()
        two.embed(short)
        best = max(best, len(short) / (time.perf_counter() - start))
    return found | {
        "short_a_second": round(best),
        "short_tokens": round(float(np.mean(two.tokens(short))), 1),
    }


def machine() -> dict[str, Any]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor()
    return {
        "processor": name, "instructions": instructions(), "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1), "date": dt.datetime.now(dt.UTC).date().isoformat(),
    }  # fmt: skip


def show(found: dict[str, Any]) -> None:
    print(found["machine"])
    if "retrieval" in found:
        print(
            "\n| maker | source | language | rows | among | to English | from English |\n|---|---|---|---|---|---|---|"
        )
        for name, entries in found["retrieval"].items():
            for e in entries:
                print(
                    f"| {name} | {e['source']} | {e['language']} | {e['rows']} | {e['candidates']}"
                    f" | {e['to_english']['share']:.3f} | {e['from_english']['share']:.3f} |"
                )
    if "topics" in found:
        languages = [e["language"] for e in next(iter(found["topics"].values()))]
        print(f"\n| topics | {' | '.join(languages)} |\n|---|{'---|' * len(languages)}")
        for name, entries in found["topics"].items():
            print(f"| {name} | {' | '.join(format(e['accuracy']['share'], '.3f') for e in entries)} |")
    for part in ("nli", "speed"):
        if part in found:
            print(f"\n{part}: {found[part]}")


def main() -> int:
    """Measure what is asked for and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--encoder", type=Path)
    parser.add_argument("--student", type=Path)
    parser.add_argument("--pairs", type=Path)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    try:
        source_data()
        ours = Encoder.load(options.encoder)
        pairs = kept_out(options.pairs)["held-out"] if options.pairs else shipped_held_out(ours)
        teacher = Teacher.load()
    except RumpunError as error:
        sys.stderr.write(f"{error.message}: {error.hint}\n")
        return 1
    makers: dict[str, Embed] = {"ours": ours.embed, "teacher": teacher.vectors}
    found: dict[str, Any] = {"machine": machine()}
    with tempfile.TemporaryDirectory() as place:
        if options.student:
            makers["float"] = student_in_float(options.student)
            for bits in (8, 4):
                makers[f"{bits}-bit rows"] = student_in_bits(options.student, bits, Path(place) / str(bits))
        if "retrieval" in options.only:
            counts = counts_of([side for p in pairs for side in (p.text, p.english)])
            found["retrieval"] = {
                name: retrieval(embed, pairs) for name, embed in (makers | {"tf-idf": counts}).items()
            }
        if "topics" in options.only:
            found["topics"] = measured_topics(makers, ours.spec.languages)
        if "nli" in options.only:
            found["nli"] = measured_nli(makers)
    if "speed" in options.only:
        found["speed"] = measured_speed(options.encoder, pairs)
    if options.json:
        print(json.dumps(found))
    else:
        show(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
