"""The public sets as they are, where the data folder is: each loads, its right answers are there, and few items are accused."""

from collections import Counter

import pytest

from rumpun.errors import InputError
from rumpun.evaluate.lint import lint
from rumpun.evaluate.public import describe, load, names
from rumpun.records.licences import terms
from rumpun.records.places import source_data


@pytest.fixture(scope="module")
def data():
    try:
        return source_data()
    except InputError as error:
        pytest.skip(f"no source text: {error.message}")


@pytest.mark.parametrize("name", names())
def test_the_real_set(data, name):
    spec = describe(name)
    loaded = load(name, folder=data)
    assert sorted({item.language for item in loaded.items}) == list(spec.languages)
    assert loaded.licences
    assert "unknown" not in [terms(licence).name for licence in loaded.licences]
    assert len({(item.language, item.id) for item in loaded.items}) == len(loaded.items)
    for item in loaded.items:
        if isinstance(item.gold, int):
            assert 0 <= item.gold < len(item.options)
        elif spec.labels:
            assert set(item.gold) <= set(spec.label_set)
        else:
            assert item.gold or spec.gold.kind == "none"
    left = loaded.problems
    if loaded.mended or loaded.dropped:
        left = lint(loaded.items, labels=spec.label_set or None, language_check=spec.check_language)
    accused = {(problem.language, problem.id) for problem in left}
    told = Counter(problem.kind for problem in loaded.problems)
    print(f"\n{name}: {len(loaded.items)} items, told {dict(told)}, accused after mending {len(accused)}")
    assert len(accused) <= 0.02 * len(loaded.items)


def test_one_set_in_one_language(data):
    loaded = load("belebele", languages=["su"], folder=data)
    assert {item.language for item in loaded.items} == {"su"}
    every = load("belebele", folder=data)
    assert loaded.items == [item for item in every.items if item.language == "su"]
