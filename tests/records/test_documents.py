"""Documents: same text, same id."""

from hypothesis import given
from hypothesis import strategies as st

from rumpun.records.documents import document_id


@given(st.text(), st.text())
def test_an_id_is_the_text_and_nothing_else(one, other):
    assert (document_id(one) == document_id(other)) == (one == other)
    assert len(document_id(one)) == 32


def test_no_normalisation_happens_behind_the_id():
    assert document_id("ñ") != document_id("n\u0303")
