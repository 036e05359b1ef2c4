"""The data folder's inventory: what is found in it, and every mistake in it met with its place and mend."""

import pytest
from world import EN, ID, rows, several

from rumpun.corpus.read.inventory import Wanted, find_units
from rumpun.errors import InputError


def found(world, **more):
    units, left = find_units(Wanted(**({"languages": ("id", "en"), "data": str(world.folder)} | more)))
    return [(unit.source, unit.kind, unit.languages) for unit in units], [
        (item.source, item.reason) for item in left
    ]


def test_a_source_is_read_by_its_kind_and_only_for_the_languages_asked_for(world):
    world.add("news", rows("news", "id", several(ID, 2)) + rows("news", "sw", several(EN, 2)))
    world.add("course-mt", rows("course-mt", "en", several(EN, 2)))
    world.add("a-closed", rows("a-closed", "id", several(ID, 2)), licence="CC-BY-NC-4.0")
    world.add("words", rows("words", "id", several(ID, 2)), domain="lexicon")
    world.add_jsonl("seed-a", [{"key": "k", "id": ID}], "seed", ["id"])
    world.add_jsonl("talk", [{"key": "k", "id": {}}], "chat", ["id"])
    pairs = [{"src_lang": "en", "src": EN, "tgt_lang": "id", "tgt": ID}]
    world.add("tales", pairs, kind="parallel")
    units, left = found(world, exclude_domains=("lexicon",), exclude_sources=("course-mt",))
    assert units == [("news", "text", ("id",))]
    assert left == [
        ("course-mt", "excluded by the recipe"),
        ("a-closed", "licence CC-BY-NC-4.0 may not stand behind a shipped layer"),
        ("words", "domain lexicon is not running text"),
    ]
    units, _ = found(
        world,
        sources=("course-mt",),
        seed_text=True,
        text_from_pairs={"en": ("tales",)},
        chat_seed=True,
        pairs=True,
    )
    assert units == [  # human text before machine translation
        ("tales", "pairs", ("id", "en")),
        ("tales", "side", ("en",)),
        ("talk", "chat", ("id",)),
        ("course-mt", "text", ("en",)),
    ]
    assert found(world, text=False) == ([], [])


def test_a_source_that_does_not_exist_is_answered_with_the_nearest(world):
    world.add("berita-harian", rows("berita-harian", "id", several(ID, 2)))
    with pytest.raises(InputError, match=r"no source is called 'berita-harain'") as caught:
        found(world, sources=("berita-harain",))
    assert caught.value.hint == "did you mean 'berita-harian'?"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[source]\n", r"inventory\.toml: not an inventory"),
        ('[[source]]\nname = "x"\nkind = "text"\n', r"inventory\.toml: source 1: no key 'licence'"),
    ],
)
def test_damaged_inventories(world, text, words):
    with pytest.raises(InputError, match=r"no inventory\.toml there") as caught:
        found(world)
    assert "docs/sources.md" in caught.value.hint
    (world.folder / "inventory.toml").write_text(text)
    with pytest.raises(InputError, match=words):
        found(world)


def test_no_data_folder_says_how_to_get_the_sources(monkeypatch, tmp_path):
    monkeypatch.setenv("RUMPUN_DATA", str(tmp_path / "nothing"))
    with pytest.raises(InputError, match="no folder of source text there") as caught:
        find_units(Wanted(languages=("id",)))
    assert "docs/sources.md" in caught.value.hint
