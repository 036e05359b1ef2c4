"""The real sources, where they are: nothing held out leaks, and the list of sources is in step with the inventories."""

import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from rumpun.corpus.find import corpus_steps
from rumpun.corpus.letters import Letters
from rumpun.errors import InputError
from rumpun.recipes import read_recipe
from rumpun.records.artefacts import read_manifest
from rumpun.records.places import source_data
from rumpun.steps import plan, quiet, run

ROOT = Path(__file__).parents[2]
SMALL = """
name = "small"
seed = 7
[steps.documents]
uses = "corpus.read"
with = { languages = ["lo", "km"], seed_text = true }
[steps.attributes]
uses = "corpus.tag"
needs = ["documents"]
with = { taggers = ["normalise", "language", "figures", "minhash", "decontaminate"] }
[steps.links]
uses = "corpus.link"
needs = ["documents", "attributes"]
[steps.decisions]
uses = "corpus.filter"
needs = ["documents", "attributes", "links"]
[steps.mixture]
uses = "corpus.mix"
needs = ["documents", "attributes", "links", "decisions"]
with = { max_per_language = 1_000_000, held_out_sources = { lo = ["seed-news"], km = ["seed-news", "cambodia-constitution"] } }
[steps.corpus]
uses = "corpus.write"
needs = ["documents", "attributes", "links", "decisions", "mixture"]
with = { chat_languages = ["lo", "km"], chat_seed = true, card = { plots = false } }
"""


@pytest.fixture(scope="module")
def data():
    try:
        return source_data()
    except InputError as error:
        pytest.skip(f"no source text: {error.message}")


def keys(folder, tag):
    texts = pq.read_table(folder / f"{tag}.parquet", columns=["text"])["text"].to_pylist()
    return set(Letters(texts).keys().tolist())


@pytest.mark.usefixtures("data")
def test_small_languages_from_real_sources(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SMALL, encoding="utf-8")
    folder = run(read_recipe(path), tmp_path / "store", progress=lambda _: quiet)["corpus"]
    summary = read_manifest(folder).summary
    assert summary["rows"]["read"] == summary["rows"]["train"] + summary["rows"]["held_out"] + sum(
        summary["rows"]["dropped"].values()
    )
    assert not set(summary["sources"]["km"]) & {"seed-news", "cambodia-constitution", "frequency-words"}
    for tag in ("lo", "km"):
        held = keys(folder / "heldout", tag)
        assert held
        assert not held & keys(folder / "train", tag)
        assert summary["languages"][tag]["train"]["bytes"] > 500_000
        assert summary["languages"][tag]["held_out"]["documents"] > 50
        assert summary["languages"][tag]["chat_rows"] > 300


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("name", ["first/run.toml", "first/long.toml"])
def test_the_recipes_plan_their_corpus(name, tmp_path):
    planned = plan(corpus_steps(read_recipe(ROOT / "recipes" / name)), tmp_path)
    mixture = next(item.params for item in planned if item.uses == "corpus.mix")
    assert set(mixture.held_out_sources) == set(mixture.languages)
    assert all("seed-news" in names for names in mixture.held_out_sources.values())


def test_the_list_of_sources_is_in_step_with_the_inventories(data):
    made = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "make_sources.py"), str(data)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert made.stdout == (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")
