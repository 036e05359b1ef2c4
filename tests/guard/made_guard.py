"""A tiny guard, its stand-in encoder and tiny labelled rows for tests. The «unsafe» words mean nothing in any language."""

import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rumpun.encoder.encoder import EncoderSpec
from rumpun.guard.guard import Guard
from rumpun.guard.heads import ANY, HeadsSpec, write_heads
from rumpun.guard.judgement import POINTS
from rumpun.language.ngrams import hashed

UNSAFE_WORD = "zorkblip"  # stands for whatever a real guard would flag
SIGNAL_WORD = "quuxwomp"
LABELS = ("harm", "crime_general", "local_sensitive")
WIDTH, BUCKETS = 384, 1 << 14
ORDINARY = {
    "en": "please help me plan a small garden with herbs and tomatoes",
    "id": "tolong bantu saya merencanakan kebun kecil di belakang rumah",
    "th": "ช่วยวางแผนสวนเล็กๆ หลังบ้านให้หน่อย",
    "my": "ဥယျာဉ်ငယ်တစ်ခု စီစဉ်ပေးပါ",
}


class StandIn:
    """An encoder that finds nothing in any text."""

    spec = EncoderSpec(
        name="stand-in", width=WIDTH, longest_tokens=128, languages=(), subwords=0, row_bits=8,
        files={"encoder.onnx": "0" * 64},
    )  # fmt: skip
    folder = Path("/nowhere")

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        return np.zeros((len(texts), WIDTH), np.float32)


def stand_in() -> None:
    """Let `Encoder.load` give the stand-in, in this whole process."""
    from rumpun.encoder import Encoder

    Encoder.load = classmethod(lambda *_, **__: StandIn())


def write_guard(folder: Path, **facts: object) -> Path:
    """A guard whose heads fire on the two words above and on nothing else."""
    weights = np.zeros((BUCKETS, 3), np.int8)
    for column, word in ((0, UNSAFE_WORD), (1, UNSAFE_WORD), (2, SIGNAL_WORD)):
        weights[hashed([word], buckets=BUCKETS, lengths=(5,)).indices, column] = 100
    tensors = {
        "dense": np.zeros((WIDTH, 3), np.float16),
        "ngrams": weights,
        "scale": np.full(3, 0.5, np.float32),
        "bias": np.full(3, -4, np.float32),
    }
    about = {
        "schema": 2, "name": "tiny", "labels": LABELS, "lengths": (5,), "encoder": "0" * 64, "sha256": "",
        "calibration": {ANY: (1.0, 0.0)},
        "thresholds": {point: {label: {ANY: (0.5, 0.5)} for label in LABELS} for point in POINTS},
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    write_heads(folder, HeadsSpec(**(about | facts)), tensors)  # type: ignore[arg-type]
    return folder


def tiny_guard(folder: Path, **options: object) -> Guard:
    """The same, loaded."""
    return Guard.load(write_guard(folder), encoder=StandIn(), **options)  # type: ignore[arg-type]


def write_data(folder: Path) -> Path:
    """A RUMPUN_DATA with every set that the guard reads, in miniature, and two rows that must be dropped."""
    import pyarrow as pa
    from pyarrow import parquet

    dice = random.Random(11)

    def prompt(language: str, unsafe: bool) -> str:
        words = ORDINARY[language].split()
        dice.shuffle(words)
        return " ".join([*words, *([f"{UNSAFE_WORD} {dice.choice('abcd')}"] if unsafe else [])])

    def put(name: str, split: str, rows: list[dict[str, object]]) -> None:
        for row in rows:
            row |= {"split": split, "licence": row.get("licence", "CC-BY-4.0"), "source": name}
        parquet.write_table(pa.Table.from_pylist(rows), folder / "safety" / f"{name}.parquet")

    (folder / "safety").mkdir(parents=True)
    (folder / "seed").mkdir()
    put("harmful-en", "train", [
        {"prompt": prompt("en", unsafe=True), "language": "en", "prompt_label": "unsafe", "dataset": f"d{n % 4}",
         "category": "illegal" if n % 2 else None} for n in range(240)
    ] + [{"prompt": "x", "language": "en", "prompt_label": "unsafe", "dataset": "d1", "category": "Child Safety"}])  # fmt: skip
    put("indosafety-train", "train", [
        {"prompt": prompt("id", unsafe=True), "language": "id", "prompt_label": "unsafe",
         "specific_harms": ("Religious Conversion", "Supernatural Claims")[n % 2],
         "safe_response": prompt("id", unsafe=False)} for n in range(40)
    ])  # fmt: skip
    put("ordinary-prompts", "train", [
        {"prompt": prompt(tag, unsafe=False), "language": tag, "prompt_label": "safe", "dataset": f"o{n % 4}",
         "category": None, "licence": "CC-BY-NC-4.0" if n == 0 else "Apache-2.0"} for tag in ORDINARY for n in range(240)
    ])  # fmt: skip
    both = [("en", True), ("en", False), ("th", True)] * 20
    for name, column, unsafe, safe, text in (
        ("multijail", "prompt_label", "unsafe", None, "prompt"),
        ("simplesafetytests", "prompt_label", "unsafe", None, "prompt"),
        ("xstest", "prompt_label", "unsafe", "safe", "prompt"),
        ("hatecheck", "label_gold", "hateful", "non-hateful", "test_case"),
        ("xsafety", "prompt_label", "safety-topic", "ordinary", "prompt"),
        ("ailuminate-demo", "prompt_label", "safety-topic", None, "prompt"),
    ):
        rows: list[dict[str, object]] = [
            {text: prompt(tag, unsafe=bad), "language": tag, column: unsafe if bad else safe}
            for tag, bad in both
            if bad or safe
        ]
        if name == "ailuminate-demo":
            rows = [row | {"hazard": "cse" if n == 0 else "vcr"} for n, row in enumerate(rows)]
        put(name, "test", rows)
    seed = [{"key": f"k{n}", "topic": f"t{n}", "sensitive": n % 2 == 0, **ORDINARY} for n in range(10)]
    (folder / "seed" / "care.jsonl").write_text("".join(json.dumps(row) + "\n" for row in seed))
    turns = {tag: {"user": text, "assistant": text} for tag, text in ORDINARY.items()}
    (folder / "seed" / "chat-care.jsonl").write_text(json.dumps({"key": "c", "topic": "t", **turns}) + "\n")
    (folder / "prompts").mkdir()
    for tag in ORDINARY:
        asked = [
            {
                "key": f"{tag}-{n}",
                "text": prompt(tag, unsafe=False),
                "topic": f"t{n}",
                "sensitive": n % 2 == 0,
            }
            for n in range(20)
        ]
        (folder / "prompts" / f"{tag}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in asked))
    return folder
