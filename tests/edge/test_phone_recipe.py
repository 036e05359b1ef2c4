"""The phone's recipe as it ships: walked by the command, its file read by llama.cpp beside the same layer on the whole base."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rumpun.edge.export import ExportParams, write_fitting
from rumpun.engines.llamacpp import LlamaCpp
from rumpun.engines.llamacpp_score import Scorer
from rumpun.engines.port import Message, Request
from rumpun.records.artefacts import verify
from rumpun.records.places import shipped_folder
from rumpun.weights.gguf_file import describe, read_gguf

ROOT = Path(__file__).parents[2]
KEPT = {
    "id": "Ibu menanam padi di sawah setiap pagi.",
    "th": "แม่ปลูกข้าวในนาทุกเช้า",
    "en": "Mother plants rice in the field every morning.",
}


@pytest.mark.base
def test_it_makes_one_file_that_reads_what_it_keeps_as_the_whole_model_does(
    base_gguf, home_with_base, tmp_path
):
    run = subprocess.run(
        [sys.executable, "-m", "rumpun.cli", "run", str(ROOT / "recipes/region/phone.toml"), "--store", str(tmp_path / "store")],
        capture_output=True, text=True, env=os.environ | {"RUMPUN_HOME": str(home_with_base)}, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    (phone,) = (path for path in (tmp_path / "store").glob("*/*.gguf"))
    verify(phone.parent)
    whole = tmp_path / "whole.gguf"
    write_fitting(
        base_gguf, shipped_folder() / "region", whole, ExportParams(quantisation="Q8_0"), metadata={}
    )
    assert phone.stat().st_size < 0.75 * whole.stat().st_size
    words, all_words = (read_gguf(path).get("tokenizer.ggml.tokens") for path in (phone, whole))
    assert len(words) < len(all_words)
    scorers = [Scorer(path, describe(path), 2) for path in (phone, whole)]
    pairs = [("", text) for text in KEPT.values()]
    cuts, bits = [], []
    for scorer, table in zip(scorers, (words, all_words), strict=True):
        cuts.append([[table[number] for number in ids] for ids in scorer.tokenize(list(KEPT.values()))])
        bits.append(-sum(score.logprob for score in scorer.score(pairs)))
        scorer.close()
    assert cuts[0] == cuts[1]
    assert bits[0] < 1.2 * bits[1], "four bits and a smaller vocabulary cost no more than a little"
    engine = LlamaCpp(phone, name="phone", context_tokens=256)
    try:
        (said,) = engine.generate([Request(messages=(Message("user", "Apa kabar?"),), max_tokens=12)])
    finally:
        engine.close()
    assert said.text.strip()
