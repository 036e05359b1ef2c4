"""Synthetic files: the same bytes for the same plan, the planted shares, and a truth that holds."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from linked import SPACED, text

from rumpun.corpus.synthetic import CharacterModel, Plan, write_synthetic
from rumpun.errors import InputError, UsageError


def given(language, seed=1):
    rng = np.random.default_rng(seed)
    return tuple(text(language, int(n), rng) for n in rng.integers(20, 400, size=60))


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize("language", ["id", "th", "zh"])
def test_copies_are_what_the_truth_says(tmp_path, language, suffix):
    path = tmp_path / f"made{suffix}"
    told = write_synthetic(
        path, Plan(languages=(language,), rows=1_500, words=120, texts={language: given(language)})
    )
    if suffix == ".jsonl":
        texts = [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]
    else:
        texts = pq.read_table(path)["text"].to_pylist()
    truth = pq.read_table(path.with_suffix(".truth.parquet")).to_pylist()
    assert [row["row"] for row in truth] == list(range(1_500))
    assert len(texts) == told["rows"] == 1_500
    assert 0.07 < told["exact"] / 1_500 < 0.13
    assert 0.07 < told["near"] / 1_500 < 0.13
    copied = set()
    for row, whole in zip(truth, texts, strict=True):
        base = texts[row["of"]]
        if row["kind"] == "new":
            assert row["of"] == row["row"]
        else:
            assert row["of"] < row["row"]
            assert row["of"] not in copied
            copied.add(row["of"])
        if row["kind"] == "exact":
            assert whole == base
        if row["kind"] == "near":
            assert whole != base
            if language in SPACED:
                assert sum(a != b for a, b in zip(whole.split(), base.split(), strict=True)) == round(
                    0.02 * 120
                )
            else:
                assert sum(a != b for a, b in zip(whole, base, strict=True)) < 0.04 * len(base)


def test_the_same_plan_gives_the_same_bytes(tmp_path):
    plan = Plan(languages=("id", "km"), size_bytes=200_000, texts={tag: given(tag) for tag in ("id", "km")})
    for name in ("one", "two"):
        told = write_synthetic(tmp_path / f"{name}.jsonl", plan)
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()
    assert 200_000 <= told["bytes"] < 230_000


def test_a_model_draws_only_what_follows_in_its_texts():
    whole = text("my", 3_000, np.random.default_rng(2))
    drawn = CharacterModel([whole], 4).draw(np.random.default_rng(3), 1, 2_000)
    around = whole + whole[:5]  # the end goes on with the beginning
    seen = {around[i : i + 5] for i in range(len(whole))}
    assert all(drawn[i : i + 5] in seen for i in range(len(drawn) - 5))


def test_plans_that_cannot_be_meant(tmp_path):
    with pytest.raises(UsageError, match="size_bytes or its rows"):
        write_synthetic(tmp_path / "x.jsonl", Plan(languages=("id",)))
    with pytest.raises(UsageError, match="not written"):
        write_synthetic(tmp_path / "x.txt", Plan(languages=("id",), rows=1))
    with pytest.raises(InputError, match="no text"):
        CharacterModel([])
