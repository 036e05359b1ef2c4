"""A made-up world for the encoder's tests: an English of fifty words, its ciphers, and a teacher that reads it.

Language `id` writes each word as another Latin word; `th` writes them in Thai letters, last word first, without spaces.
"""

import importlib
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from pyarrow import parquet

from rumpun.encoder.model import Student
from rumpun.encoder.teacher import Teacher
from rumpun.steps import Input, Work, quiet

WORDS = [
    "river",
    "rice",
    "mother",
    "teacher",
    "market",
    "boat",
    "rain",
    "morning",
    "village",
    "song",
    "tree",
    "road",
    "child",
    "school",
    "fish",
    "fire",
    "house",
    "moon",
    "letter",
    "friend",
    "doctor",
    "garden",
    "bridge",
    "island",
    "bread",
    "water",
    "stone",
    "bird",
    "night",
    "story",
    "buys",
    "sees",
    "finds",
    "makes",
    "takes",
    "carries",
    "sells",
    "loves",
    "hears",
    "draws",
    "red",
    "small",
    "old",
    "quiet",
    "warm",
    "happy",
    "slow",
    "green",
    "deep",
    "long",
]
WIDTH, LAYERS = 96, 1


def _made_words(seed: int, first: str, second: str, syllables: int) -> dict[str, str]:
    draw = random.Random(seed)
    found: dict[str, str] = {}
    for word in WORDS:
        new = ""
        while not new or new in found.values():
            new = "".join(draw.choice(first) + draw.choice(second) for _ in range(syllables))
        found[word] = new
    return found


LATIN = _made_words(1, "bdgklmnprst", "aeiou", 3)
THAI = _made_words(2, "กขคงจชดตนบปพมยรลวสหอ", "าีู", 2)


def put(language: str, english: str) -> str:
    """An English sentence in a cipher."""
    words = english.split()
    if language == "id":
        return " ".join(LATIN[word] for word in words)
    return "".join(THAI[word] for word in reversed(words))


def sentences(n: int, seed: int) -> list[str]:
    """So many different English sentences of four to six words."""
    draw = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < n:
        found[" ".join(draw.sample(WORDS, draw.randint(4, 6)))] = None
    return list(found)


FIT, HELD_OUT, DEVELOPMENT = sentences(400, 1), sentences(60, 2), sentences(40, 3)


def teacher() -> Teacher:
    """A teacher of one small layer whose words are far apart."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    signs = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordLevel({w: n for n, w in enumerate([*signs, *WORDS])}, unk_token="[UNK]"))
    tokenizer.add_special_tokens(signs)
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = Student(vocabulary=len(signs) + len(WORDS), positions=64, layers=LAYERS, width=WIDTH)
        torch.nn.init.normal_(model.places, std=0.1)
    return Teacher(model.eval(), tokenizer)


def parallel_row(english: str, language: str, source: str, **changed: str) -> dict[str, str]:
    text = changed["tgt"] if "tgt" in changed else put(language, english)
    return {
        "src_lang": "en", "tgt_lang": language, "src": english, "tgt": text, "source": source,
        "domain": "conversation", "licence": "CC0-1.0",
    } | changed  # fmt: skip


def write_parallel(folder: Path, name: str, rows: Sequence[dict[str, Any]]) -> None:
    (folder / "parallel").mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.Table.from_pylist(list(rows)), folder / "parallel" / f"{name}.parquet")


def write_data(folder: Path) -> Path:
    """A data folder of the whole world: three sources, each language."""
    for source, some in (("toy-talk", FIT), ("toy-news", HELD_OUT), ("toy-choice", DEVELOPMENT)):
        write_parallel(
            folder, source, [parallel_row(e, language, source) for language in ("id", "th") for e in some]
        )
    return folder


RECIPE = """
name = "toy"
seed = 7
[steps.pairs]
uses = "encoder.pairs"
[steps.pairs.with]
languages = ["id", "th"]
held_out = ["toy-news"]
development = ["toy-choice"]
lexicons = [LEXICONS]
rows_max = { natural = 1000 }
[steps.vocabulary]
uses = "encoder.vocabulary"
needs = ["pairs"]
with = { subwords = 1000, letters_a_language = 50_000 }
[steps.student]
uses = "encoder.train"
needs = ["pairs", "vocabulary"]
[steps.student.with]
languages = { id = 1, th = 1, en = 1 }
groups = { natural = 0.9, lexicon = 0.1 }
rows = 3000
rows_a_round = 600
tokens_a_batch = 500
longest_tokens = 32
negatives = 100
warm_steps = 5
rate = 1e-3
rate_words = 5e-3
[steps.export]
uses = "encoder.export"
needs = ["student", "pairs"]
with = { row_bits = 8, longest_tokens = 24 }
"""


def write_recipe(folder: Path) -> Path:
    (folder / "lexicons").mkdir(parents=True)
    lines = ["en\tid\tth", *(f"{word}\t{LATIN[word]}\t{THAI[word]}" for word in WORDS)]
    (folder / "lexicons" / "words.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    path = folder / "run.toml"
    path.write_text(RECIPE.replace("LEXICONS", json.dumps(str(folder / "lexicons"))), encoding="utf-8")
    return path


def work(folder: Path, inputs: Sequence[Input] = (), progress: Any = quiet) -> Work:
    (folder / "made").mkdir(parents=True, exist_ok=True)
    (folder / "keep").mkdir(exist_ok=True)
    return Work(
        inputs=tuple(inputs), folder=folder / "made", scratch=folder / "keep", seed=7, progress=progress
    )


class Cut(Exception):  # noqa: N818
    """Stands for a kill between two steps."""


def whole_and_cut(
    params: dict[str, Any], inputs: Sequence[Input], place: Path, monkeypatch: pytest.MonkeyPatch
) -> list[dict[str, float]]:
    """Train without a stop, and again cut off at the 33rd step and gone on: the same bytes. Returns the losses."""
    module = importlib.import_module("rumpun.encoder.train")
    (place / "whole").mkdir()
    module.train.function(module.EncoderParams(**params), work(place / "whole", inputs))
    one = module._one

    def step(params_: Any, run: Any, batch: Any, seen: Any) -> dict[str, float]:
        if run.steps == 33:
            monkeypatch.setattr(module, "_one", one)
            raise Cut
        losses: dict[str, float] = one(params_, run, batch, seen)
        return losses

    monkeypatch.setattr(module, "_KEEP_SECONDS", -1)
    monkeypatch.setattr(module, "_one", step)
    with pytest.raises(Cut):
        module.train.function(module.EncoderParams(**params), work(place, inputs))
    module.train.function(module.EncoderParams(**params), work(place, inputs))
    for name in (module.WEIGHTS, module.LOSSES, module.TOKENIZER):
        assert (place / "made" / name).read_bytes() == (place / "whole" / "made" / name).read_bytes()
    return [json.loads(line) for line in (place / "made" / module.LOSSES).read_text().splitlines()]
