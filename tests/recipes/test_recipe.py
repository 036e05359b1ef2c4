"""Recipe files: strict in shape, every mistake met with file, place and mend."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.errors import InputError, UsageError
from rumpun.recipes import read_recipe

GOOD = """
name = "first"
seed = 7
[steps.corpus]
uses = "corpus.read"
with = { languages = ["id", "th"] }
[steps.layer]
uses = "layer.train"
needs = ["corpus"]
"""


def write(tmp_path, text):
    path = tmp_path / "r.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_recipe_is_read_in_order(tmp_path):
    recipe = read_recipe(write(tmp_path, GOOD))
    assert (recipe.name, recipe.seed) == ("first", 7)
    assert [(step.name, step.uses, step.needs) for step in recipe.steps] == [
        ("corpus", "corpus.read", ()),
        ("layer", "layer.train", ("corpus",)),
    ]
    assert recipe.steps[0].params == {"languages": ["id", "th"]}


@pytest.mark.parametrize(
    ("change", "said", "mend"),
    [
        (("seed = 7", "sed = 7"), "unknown key 'sed'", "did you mean 'seed'?"),
        (("seed = 7", 'seed = "7"'), "seed = '7'", "a whole number"),
        (('name = "first"', ""), "'name' is missing", "text"),
        (('name = "first"', 'name = "../x"'), "'../x'", "letters"),
        (
            ('uses = "corpus.read"', 'use = "corpus.read"'),
            "steps.corpus: unknown key 'use'",
            "did you mean 'uses'?",
        ),
        (("with = {", "params = {"), "steps.corpus: unknown key 'params'", ""),
        (('with = { languages = ["id", "th"] }', "with = 3"), "steps.corpus.with = 3", "[steps.corpus.with]"),
        (('needs = ["corpus"]', 'needs = ["corpse"]'), "needs 'corpse'", "did you mean 'corpus'?"),
        (('needs = ["corpus"]', 'needs = ["layer"]'), "needs 'layer'", ""),
        (('needs = ["corpus"]', 'needs = "corpus"'), "steps.layer.needs", "a list"),
        (('uses = "layer.train"', ""), "steps.layer: the key 'uses' is missing", ""),
        (("[steps.layer]", "[steps.'a/b']"), "a/b", "letters"),
    ],
)
def test_every_mistake_is_met_with_its_place_and_mend(tmp_path, change, said, mend):
    path = write(tmp_path, GOOD.replace(*change))
    with pytest.raises(UsageError) as caught:
        read_recipe(path)
    assert said in caught.value.message
    assert str(path) in caught.value.message
    assert mend in caught.value.hint


@pytest.mark.parametrize("text", ["name = 'x'", "name = 'x'\nsteps = 3", "name = 'x'\n[steps]"])
def test_a_recipe_without_steps_is_refused(tmp_path, text):
    with pytest.raises(UsageError, match="no steps"):
        read_recipe(write(tmp_path, text))


def test_files_that_are_no_recipe(tmp_path):
    with pytest.raises(InputError, match="not TOML"):
        read_recipe(write(tmp_path, "name = "))
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not TOML"):
        read_recipe(tmp_path / "b.toml")
    with pytest.raises(InputError, match="cannot be read"):
        read_recipe(tmp_path / "none.toml")
    with pytest.raises(InputError, match="cannot be read"):
        read_recipe(tmp_path)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_never_a_fault(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises((InputError, UsageError)):
        read_recipe(path)
