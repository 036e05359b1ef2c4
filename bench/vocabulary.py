"""What new vocabulary gives and costs: bits per byte by where rows begin, and llama.cpp's time to tokenise.

python bench/vocabulary.py                           # a vocabulary of the project's seed sentences (RUMPUN_DATA), news held out
python bench/vocabulary.py rows LAYER TEXTS.jsonl    # rows as `mean`, `first`, `last`, as they stand in LAYER, and from words that mean the same
python bench/vocabulary.py speed LAYER TEXTS.jsonl   # with all, half and none of the clusters, on 1, 10 and 100 kB

LAYER is one of `rumpun layer extend` or trained on; TEXTS has {"text": …, "language": …} a line.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rumpun.engines.bases import find_base
from rumpun.layer.vocabulary.base import BaseTokenizer
from rumpun.layer.vocabulary.rows import first_rows
from rumpun.layer.vocabulary.texts import read_files
from rumpun.weights.layer_file import LayerSpec, read_layer, write_layer


def parts(spec: LayerSpec) -> tuple[list[str], list[str]]:
    """(tokens that merges make, clusters)."""
    made = {merge.replace(" ", "") for merge in spec.merges}
    return [t for t in spec.tokens if t in made], [t for t in spec.tokens if t not in made]


def rows(layer: Path, texts: dict[str, list[str]], base: Path) -> None:
    """Bits per byte of the base alone and with the new vocabulary, by language."""
    import torch
    from transformers import AutoModelForCausalLM

    from rumpun.engines.bases import as_folder

    spec, tensors = read_layer(layer)
    tokenizer = BaseTokenizer(base)
    model = AutoModelForCausalLM.from_pretrained(as_folder(base), dtype=torch.float32).eval()
    table = model.model.embed_tokens.weight.data.clone()

    @torch.no_grad()
    def bits(cut: Any) -> list[float]:
        found = []
        for said in texts.values():
            nats = 0.0
            for text in said:
                ids = torch.tensor([[0, *cut.encode(text, add_special_tokens=False).ids]])
                scores = model(ids).logits[0, :-1].log_softmax(-1)
                nats -= float(scores.gather(1, ids[0, 1:, None]).sum())
            found.append(nats / math.log(2) / sum(len(text.encode()) for text in said))
        return found

    print(f"{'':8}", *(f"{tag:>6}" for tag in texts), "  mean")
    show("base", bits(tokenizer.inner))
    after = tokenizer.tokenizer(spec.tokens, spec.merges)
    name = "model.embed_tokens.rows"
    ways = {how: first_rows(tokenizer, *parts(spec), how)[name] for how in ("mean", "first", "last")}
    ways |= {"layer": tensors[name], **through_encoder(tokenizer, *parts(spec), ways["first"])}
    for how, numbers in ways.items():
        whole = torch.cat([table, torch.from_numpy(numbers.astype(np.float32))])
        model.model.embed_tokens = torch.nn.Embedding.from_pretrained(whole)
        model.lm_head.weight = torch.nn.Parameter(whole, requires_grad=False)
        show(how, bits(after))


NEAREST, SHARPNESS = 10, 0.05  # words of a mean by meaning, and the temperature of their weights
WORDS, POOL = 8, 256  # words that matching pursuit takes, and the nearest ones that it takes them from


def through_encoder(
    base: BaseTokenizer, merged: list[str], clusters: list[str], pieces: npt.NDArray[Any]
) -> dict[str, npt.NDArray[Any]]:
    """Rows begun in the base's rows of English words that mean the same, as this project's sentence encoder sees it.

    `aligned`: the mean of the ten nearest words, by the softmax of their cosines. `pursuit`: orthogonal matching pursuit (Pati
    et al. 1993) of the new token's vector in eight words' vectors, its weights put on the words' rows. Both as long as the row
    from pieces; the numbers are those of a quarter (aligned) and of a half of them mixed into it.
    """
    from rumpun.encoder.encoder import Encoder

    def plain(token: str) -> str:
        try:
            return bytes(base.byte_of[letter] for letter in token).decode().strip()
        except (KeyError, UnicodeDecodeError):
            return ""

    def unit(texts: list[str]) -> npt.NDArray[np.float32]:
        found = encoder.embed(texts)
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-6)

    encoder = Encoder.load()
    words = {number: plain(token) for number, token in enumerate(base.tokens) if token.startswith("Ġ")}
    words = {
        number: word for number, word in words.items() if len(word) > 2 and word.isascii() and word.isalpha()
    }
    known = unit(list(words.values()))
    new = unit([plain(token) or "x" for token in merged] + [text.strip() or "x" for text in clusters])
    table = base.file.tensor("token_embd.weight")[list(words)].astype(np.float32)
    aligned, pursued = (np.zeros((len(new), table.shape[1]), np.float32) for _ in range(2))
    for n, target in enumerate(new):
        cosines = known @ target
        near = np.argpartition(-cosines, POOL)[:POOL]
        best = near[np.argsort(-cosines[near])[:NEAREST]]
        weights = np.exp((cosines[best] - cosines[best[0]]) / SHARPNESS)
        aligned[n] = weights / weights.sum() @ table[best]
        chosen: list[int] = []
        rest = target
        for _ in range(WORDS):
            fits = np.abs(known[near] @ rest)
            fits[chosen] = -1
            chosen.append(int(fits.argmax()))
            span = known[near[chosen]].T
            solved = np.linalg.lstsq(span, target, rcond=None)[0]
            rest = target - span @ solved
        pursued[n] = solved @ table[near[chosen]]

    def mixed(rows: npt.NDArray[Any], share: float) -> npt.NDArray[Any]:
        long = np.linalg.norm(pieces.astype(np.float32), axis=1) / np.maximum(
            np.linalg.norm(rows, axis=1), 1e-6
        )
        return (1 - share) * pieces + share * rows * long[:, None]

    return {"aligned": mixed(aligned, 0.25), "al. half": mixed(aligned, 0.5), "pursuit": mixed(pursued, 0.5)}


def show(name: str, found: list[float]) -> None:
    print(f"{name:8}", *(f"{value:6.3f}" for value in found), f"{np.mean(found):6.3f}", flush=True)


def speed(layer: Path, texts: dict[str, list[str]], base: Path) -> None:
    """Milliseconds of llama.cpp for one text, the least of three."""
    from rumpun.engines.llamacpp_score import Scorer
    from rumpun.weights.assemble import assemble
    from rumpun.weights.gguf_file import describe

    spec, tensors = read_layer(layer)
    merged, clusters = parts(spec)
    with tempfile.TemporaryDirectory() as folder:
        for share in (0.0, 0.5, 1.0):
            kept = clusters[: int(share * len(clusters))]
            tokens = tuple(merged + kept)
            fields = {name: getattr(spec, name) for name in spec.__struct_fields__}
            trimmed = Path(folder, "layer")
            write_layer(trimmed, LayerSpec(**fields | {"tokens": tokens}),
                        {name: tensor[: len(tokens)] for name, tensor in tensors.items() if name.endswith(".rows")})  # fmt: skip
            gguf = Path(folder, "whole.gguf")
            assemble(base, trimmed, gguf, "Q4_1")
            scorer = Scorer(gguf, describe(gguf), 1)
            for tag, said in texts.items():
                whole = ("\n".join(said).encode() * 200)[:100_000]
                for size in (1_000, 10_000, 100_000):
                    text = whole[:size].decode(errors="ignore")
                    print(
                        f"{len(kept):5} clusters  {tag}  {size:7,} bytes  {least(scorer, text):8.2f} ms",
                        flush=True,
                    )
            scorer.close()


def least(scorer: Any, text: str) -> float:
    times = []
    for _ in range(3):
        begun = time.perf_counter()
        scorer.tokenize([text])
        times.append(time.perf_counter() - begun)
    return 1000 * min(times)


LEARNT_FROM = ("daily", "culture", "health", "work")
LANGUAGES = ["id", "ms", "vi", "th", "tl", "my", "km", "lo", "ta", "zh", "en"]


def seed(names: tuple[str, ...], path: Path) -> Path:
    """Seed sentences as lines of text and language."""
    from rumpun.evaluate.items import rows_of
    from rumpun.records.places import source_data

    with path.open("w", encoding="utf-8") as stream:
        for name in names:
            for row in rows_of(source_data() / f"seed/{name}.jsonl"):
                for tag in LANGUAGES:
                    if isinstance(row.get(tag), str):
                        line = {"text": row[tag], "language": tag, "source": name}
                        stream.write(json.dumps(line, ensure_ascii=False) + "\n")
    return path


def learn_from_seed(folder: Path) -> tuple[Path, Path]:
    """(layer, held-out texts): learnt, and its table printed."""
    train, news = seed(LEARNT_FROM, folder / "train.jsonl"), seed(("news",), folder / "news.jsonl")
    command = [sys.executable, "-m", "rumpun.cli", "layer", "extend", str(train), "--held-out", str(news)]
    subprocess.run(
        [*command, "--tokens", "4000", "--clusters", "1200", "--into", str(folder / "layer")], check=True
    )
    return folder / "layer", news


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", default="speed", choices=["rows", "speed"])
    parser.add_argument("layer", nargs="?", type=Path)
    parser.add_argument("texts", nargs="?", type=Path)
    parser.add_argument("--languages", default="th,my,km,lo,ta,zh,vi,id,en")
    parser.add_argument("--documents", type=int, default=3, help="of each language")
    parser.add_argument("--base", default="base")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        layer, news = (args.layer, args.texts) if args.texts else learn_from_seed(Path(scratch))
        found = read_files([news], [news], 10_000_000, ()).held_out
        texts = {tag: found[tag][: args.documents] for tag in args.languages.split(",") if tag in found}
        {"rows": rows, "speed": speed}[args.what](layer, texts, find_base(args.base))


if __name__ == "__main__":
    sys.exit(main())
