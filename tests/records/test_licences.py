"""Licences: expressions, what they oblige, and what may never be shipped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.errors import InputError
from rumpun.records.licences import closed_to_learners, obligations, shippable, terms

KNOWN = [
    "CC0-1.0",
    "CC-BY-4.0",
    "CC-BY-SA-4.0",
    "CC-BY-NC-4.0",
    "Apache-2.0",
    "MIT",
    "GPL-2.0-or-later",
    "LicenseRef-x",
]
names = st.sampled_from(KNOWN)
expressions = st.recursive(
    names,
    lambda inner: st.tuples(inner, st.sampled_from(["AND", "OR"]), inner).map(
        lambda t: f"({t[0]} {t[1]} {t[2]})"
    ),
)


def truth(expression: str) -> bool:
    """An independent reading: Python's own and / or over the names."""
    words = expression.replace("(", " ( ").replace(")", " ) ").split()
    known = {name: shippable(name) for name in KNOWN}
    return eval(
        " ".join({"AND": "and", "OR": "or"}.get(w, w if w in "()" else str(known.get(w))) for w in words)
    )


@given(expressions)
def test_an_expression_ships_when_logic_says_so(expression):
    assert shippable(expression) == truth(expression)


@given(names, names)
def test_and_obliges_to_both(one, other):
    assert set(terms(f"{one} AND {other}").oblige) == set(terms(one).oblige) | set(terms(other).oblige)


@given(names, names)
def test_or_takes_an_allowed_alternative(one, other):
    assert shippable(f"{one} OR {other}") == (shippable(one) or shippable(other))


def test_and_binds_tighter_than_or():
    assert shippable("MIT OR CC-BY-NC-4.0 AND CC-BY-4.0")
    assert not shippable("(MIT OR CC0-1.0) AND CC-BY-NC-4.0")


@pytest.mark.parametrize("licence", ["unknown", "LicenseRef-never-seen", "CC-BY-NC-4.0", "CC-BY-NC-SA-4.0"])
def test_unknown_and_non_commercial_never_ship(licence):
    assert not shippable(licence)


@pytest.mark.parametrize(
    "expression", ["", "  ", "MIT AND", "OR MIT", "(MIT", "MIT)", "MIT Apache-2.0", "()"]
)
def test_a_broken_expression_is_refused(expression):
    with pytest.raises(InputError):
        terms(expression)


def test_obligations_name_the_licences_that_bring_them():
    found = obligations(["CC-BY-4.0", "CC-BY-SA-4.0", "CC0-1.0", "CC-BY-4.0"])
    assert found == {"attribution": ["CC-BY-4.0", "CC-BY-SA-4.0"], "share-alike": ["CC-BY-SA-4.0"]}


def test_terms_that_close_a_teacher_to_learners():
    assert {"llama2", "llama3", "LicenseRef-OpenAI-terms"} <= set(closed_to_learners())
    assert not terms("Apache-2.0 AND llama3").trains_others
    assert terms("MIT OR llama3").trains_others
    assert all(terms(name).trains_others for name in (*KNOWN, "llama3.1", "gemma"))
