"""What each quantisation of an assembled model costs and keeps: seconds, bytes, rounding, bits per byte, speed, memory.

python bench/quantisation.py [--layer FOLDER] [--rounds 3] [--documents 6] [--json]

Bits per byte are of the first news sentences of RUMPUN_DATA in each language, or, where it is not there, of one sentence each
that stands below. Without --layer a random one of the size that training gives (its change of each matrix is about a twentieth of the
matrix) is put on the embedded base: quality is then measured against float32 with the same layer, which shows what
rounding loses. Rounds go through all files in turn and the best of each is kept, so a busy machine harms all alike.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from bits_per_byte import news
from rumpun.edge.bench import measure
from rumpun.engines.embedded import BASE_NAME, base
from rumpun.engines.llamacpp import LlamaCpp
from rumpun.errors import InputError
from rumpun.evaluate.texts import Text
from rumpun.measure.bits import bits_per_byte
from rumpun.records.artefacts import sha256_file
from rumpun.weights.assemble import assemble
from rumpun.weights.gguf_file import Gguf, read_gguf
from rumpun.weights.layer_file import LayerSpec, write_layer
from rumpun.weights.merge import open_layer
from rumpun.weights.names import Naming

# name, then the kind of the matrices, then that of embedding and output
FILES = (
    ("F32", "F32", None),
    ("Q8_0", "Q8_0", None),
    ("Q4_1 + Q8_0", "Q4_1", None),
    ("Q4_0 + Q8_0", "Q4_0", None),
    ("Q4_0 all", "Q4_0", "Q4_0"),
)
TEXTS = {  # written for this benchmark by a language model, not reviewed by native speakers
    "en": "The children helped their grandmother carry the rice home before the rain came.",
    "id": "Anak-anak membantu nenek mereka membawa beras pulang sebelum hujan turun.",
    "ms": "Kanak-kanak menolong nenek mereka membawa pulang beras sebelum hujan turun.",
    "vi": "Bọn trẻ giúp bà mang gạo về nhà trước khi trời mưa.",
    "th": "เด็ก ๆ ช่วยคุณยายขนข้าวกลับบ้านก่อนที่ฝนจะตก",
    "tl": "Tinulungan ng mga bata ang kanilang lola na iuwi ang bigas bago umulan.",
    "my": "ကလေးများသည် မိုးမရွာမီ အဘွားကို ဆန်များ အိမ်သို့ သယ်ရန် ကူညီကြသည်။",
    "km": "ក្មេងៗជួយជីដូនដឹកអង្ករទៅផ្ទះមុនពេលភ្លៀងធ្លាក់។",
    "lo": "ເດັກນ້ອຍຊ່ວຍແມ່ຕູ້ຂົນເຂົ້າກັບບ້ານກ່ອນຝົນຈະຕົກ.",
    "ta": "மழை வருவதற்கு முன் குழந்தைகள் பாட்டிக்கு அரிசியை வீட்டிற்கு எடுத்துச் செல்ல உதவினார்கள்.",
    "zh": "孩子们在下雨之前帮奶奶把大米搬回家。",
}


def random_layer(folder: Path, file: Gguf, rank: int = 32) -> Path:
    """A layer that moves every matrix of a block by a twentieth of its own spread."""
    random = np.random.default_rng(7)
    tensors = {}
    for name, module in Naming(file).modules(file).items():
        if not name.startswith("blk.") or "norm" in name:
            continue
        out, into = file.entry(name).shape
        spread = (0.05 * float(file.tensor(name).std()) / (2 * rank**0.5)) ** 0.5
        tensors[f"{module}.a"] = (random.standard_normal((rank, into)) * spread).astype(np.float16)
        tensors[f"{module}.b"] = (random.standard_normal((out, rank)) * spread).astype(np.float16)
    targets = tuple(dict.fromkeys(name.split(".")[-2] for name in tensors))
    spec = LayerSpec(
        base_name=BASE_NAME, base_sha256=sha256_file(file.path), rank=rank, alpha=2.0 * rank, targets=targets
    )
    write_layer(folder, spec, tensors)
    return folder


def rounding(file: Path, exact: dict[str, np.ndarray]) -> float:
    """Root mean square of the rounding, as a share of the weights' spread."""
    read = read_gguf(file)
    shares = [
        float(np.sqrt(np.mean((read.tensor(name) - tensor) ** 2)) / tensor.std())
        for name, tensor in exact.items()
    ]
    return float(np.mean(shares))


def quality(file: Path, texts: list[Text]) -> dict[str, float]:
    """Bits per byte over all texts, and of each language."""
    engine = LlamaCpp(file, name="x", context_tokens=2048, slots=1)
    try:
        scores = engine.score([("", text.text) for text in texts])
    finally:
        engine.close()
    groups = {"all": list(zip(texts, scores, strict=True))}
    for text, score in groups["all"]:
        groups.setdefault(text.language, []).append((text, score))
    return {
        tag: bits_per_byte(sum(s.logprob for _, s in own), sum(len(t.text.encode()) for t, _ in own))
        for tag, own in groups.items()
    }


def sentences(documents: int) -> list[Text]:
    """News of the data folder, or the sentences above."""
    try:
        return news(documents)
    except (InputError, OSError):
        return [Text(text, tag, tag) for tag, text in TEXTS.items()]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--layer", type=Path)
    parser.add_argument("--documents", type=int, default=6, help="in each language")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    texts = sentences(options.documents)
    with tempfile.TemporaryDirectory() as place:
        rows = measured(Path(place), options.layer, texts, options.rounds)
    if options.json:
        print(json.dumps(rows))
        return
    print(
        f"{'file':14}{'MB':>7}{'assemble s':>12}{'rounding':>10}{'bits/byte':>11}{'prompt/s':>10}{'decode/s':>10}{'MB held':>9}"
    )
    for row in rows:
        print(f"{row['file']:14}{row['bytes'] / 1e6:7.1f}{row['seconds']:12.1f}{row['rounding']:10.4f}"
              f"{row['bits_per_byte']['all']:11.4f}{row['prompt']:10.1f}{row['decode']:10.1f}{row['resident'] / 1e6:9.0f}")  # fmt: skip
    tags = [tag for tag in rows[0]["bits_per_byte"] if tag != "all"]
    print(f"\n{'bits/byte':14}" + "".join(f"{tag:>7}" for tag in tags))
    for row in rows:
        print(f"{row['file']:14}" + "".join(f"{row['bits_per_byte'][tag]:7.3f}" for tag in tags))


def measured(place: Path, layer: Path | None, texts: list[Text], rounds: int) -> list[dict[str, Any]]:
    embedded = base()
    layer = layer or random_layer(place / "layer", read_gguf(embedded))
    merged = open_layer(read_gguf(embedded), layer)
    exact = {
        f"blk.{n}.{part}.weight": merged.tensor(f"blk.{n}.{part}.weight")
        for n in (0, 14)
        for part in ("ffn_up", "attn_q")
    }
    rows: list[dict[str, Any]] = [{"file": "the base file", "path": embedded, "seconds": 0.0}]
    for number, (name, matrices, looked_up) in enumerate(FILES):
        path = place / f"{number}.gguf"
        started = time.monotonic()
        assemble(embedded, layer, path, matrices, embeddings=looked_up)
        rows.append({"file": name, "path": path, "seconds": time.monotonic() - started})
    for row in rows:
        row |= {"bytes": row["path"].stat().st_size, "rounding": rounding(row["path"], exact),
                "bits_per_byte": quality(row["path"], texts), "prompt": 0.0, "decode": 0.0, "resident": 0}  # fmt: skip
    for _ in range(rounds):
        for row in rows:
            found = measure(row["path"], prompt_tokens=256, decode_tokens=64, runs=3)
            row["prompt"] = max(row["prompt"], found.prompt_tokens_per_second)
            row["decode"] = max(row["decode"], found.decode_tokens_per_second)
            row["resident"] = max(row["resident"], found.resident_bytes)
    return [{key: value for key, value in row.items() if key != "path"} for row in rows]


if __name__ == "__main__":
    main()
