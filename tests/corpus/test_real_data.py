"""The real sources, where they are: nothing held out leaks, and the list of sources is in step with the inventories."""

import subprocess
import sys
from pathlib import Path

import pytest
from world import World, manifest, texts

from rumpun.corpus.letters import Letters
from rumpun.errors import InputError
from rumpun.recipes import read_recipe
from rumpun.records.places import source_data
from rumpun.steps import plan

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def data():
    try:
        return source_data()
    except InputError as error:
        pytest.skip(f"no source text: {error.message}")


def test_small_languages_from_real_sources(data, tmp_path):
    world = World(tmp_path / "unused")
    world.folder = data
    folder = world.build(
        tmp_path / "store", languages=["lo", "km"], seed_text=True, chat_seed=True, max_bytes_per_language=1_000_000,
        held_out_sources={"lo": ["seed-news"], "km": ["seed-news", "cambodia-constitution"]}, max_characters_per_document=4_000,
    )  # fmt: skip
    found = manifest(folder)
    assert not set(found.summary["sources"]["km"]) & {"seed-news", "cambodia-constitution", "frequency-words"}
    train, held = (set(Letters(texts(folder, place)).keys().tolist()) for place in ("train", "heldout"))
    assert held
    assert not train & held
    for tag in ("lo", "km"):
        assert found.summary["languages"][tag]["train"]["bytes"] > 500_000
        assert found.summary["languages"][tag]["held_out"]["documents"] > 50
        assert found.summary["languages"][tag]["chat_rows"] > 300


@pytest.mark.parametrize("name", ["first/run.toml", "first/long.toml"])
def test_the_recipes_plan_their_corpus(data, name, tmp_path):
    recipe = read_recipe(ROOT / "recipes" / name)
    corpus = [step for step in recipe.steps if step.uses == "corpus.build"]
    planned = plan(recipe.with_steps(corpus), tmp_path)
    held = planned[0].params.held_out_sources
    assert set(held) == set(planned[0].params.languages)
    assert all("seed-news" in names for names in held.values())


def test_the_list_of_sources_is_in_step_with_the_inventories(data):
    made = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "make_sources.py"), str(data)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert made.stdout == (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")
