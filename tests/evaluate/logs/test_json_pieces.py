"""JSON that other tools write: bare constants, halves of characters, one array's elements out of a stream."""

import io
import json
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from made_logs import TEXTS, exactly, odd_json, plain_json

from rumpun.errors import InputError
from rumpun.evaluate.logs import json_split
from rumpun.evaluate.logs.json_split import Elements, without_constants
from rumpun.evaluate.logs.json_text import dump, fields_of, parse, same, seal, unseal

texts = st.text(st.sampled_from('"\\\n{}[],:a\u0e01') | st.characters(codec="utf-8"), max_size=12)
values = st.recursive(
    st.none() | st.integers() | texts | st.sampled_from(TEXTS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
)
objects = st.dictionaries(texts, values, max_size=3)


@hypothesis.given(
    objects,
    objects,
    st.lists(objects, max_size=4),
    st.sampled_from((None, 1)),
    st.booleans(),
    st.integers(1, 60),
)
def test_elements_are_those_of_a_parser(
    before: Any, after: Any, elements: Any, indent: Any, ascii_only: bool, chunk: int
) -> None:
    whole = {**before, "samples": elements, **{f"z{key}": value for key, value in after.items()}}
    text = json.dumps(whole, indent=indent, ensure_ascii=ascii_only).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_split, "_CHUNK", chunk)
        found = Elements(io.BytesIO(text), "samples", 10_000, "here")
        assert [json.loads(one) for one in found] == elements
    assert found.found
    assert json.loads(bytes(found.rest)) == whole | {"samples": []}


@hypothesis.given(objects, st.integers(1, 60))
def test_without_the_array_all_is_rest(whole: Any, chunk: int) -> None:
    whole = {**whole, "samples": None, "deep": {"samples": [{"a": 1}]}}
    text = json.dumps(whole).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_split, "_CHUNK", chunk)
        found = Elements(io.BytesIO(text), "samples", 10_000, "here")
        assert list(found) == []
    assert not found.found
    assert bytes(found.rest) == text


def test_elements_are_bounded() -> None:
    for text in (
        b'{"samples": [{"a": "' + b"x" * 900,
        b'{"a": "' + b"x" * 900,
        b'{"samples": [{"a": [' + b"1," * 500,
    ):
        with pytest.raises(InputError, match="more than 500 bytes"):
            list(Elements(io.BytesIO(text), "samples", 500, "here"))


@hypothesis.given(odd_json, st.booleans())
def test_constants_are_null_outside_strings(value: Any, ascii_only: bool) -> None:
    def plain(one: Any) -> Any:
        if isinstance(one, dict):
            return {key: plain(inner) for key, inner in one.items()}
        if isinstance(one, list):
            return [plain(inner) for inner in one]
        return None if isinstance(one, float) and one - one != 0 else one

    text = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "replace")
    assert exactly(json.loads(without_constants(text))) == exactly(plain(json.loads(text)))


@hypothesis.given(odd_json)
def test_parsing_and_sealing_lose_nothing(value: Any) -> None:
    parsed = parse(dump(value), "here")
    assert exactly(parsed.value) == exactly(value)
    kept = json.dumps(seal(value), allow_nan=False, ensure_ascii=False).encode()  # can stand in a strict file
    assert exactly(unseal(json.loads(kept))) == exactly(value)
    assert exactly(unseal(json.loads(json.dumps(seal(seal(value)))))) == exactly(seal(value))
    json.dumps(parsed.plain, allow_nan=False, ensure_ascii=False).encode()
    assert same(parsed.value, value)


@hypothesis.given(st.dictionaries(st.sampled_from("abc"), odd_json), plain_json)
def test_fields_are_those_of_the_whole(whole: Any, other: Any) -> None:
    whole["b"] = other
    found = fields_of(dump(whole), frozenset("ab"), "here")
    assert found.names == set(whole)
    plain = parse(dump(whole), "here").plain
    assert exactly(found.plain) == exactly({key: plain[key] for key in "ab" if key in plain})


@hypothesis.given(odd_json, odd_json)
def test_same_is_equality_that_knows_kinds(one: Any, other: Any) -> None:
    assert same(one, json.loads(json.dumps(one)))
    assert same(one, other) == (exactly(one) == exactly(other))


def test_what_looks_equal_is_not_the_same() -> None:
    for one, other in (
        (1, 1.0),
        (1, True),
        (0, False),
        (0.0, -0.0),
        (None, float("nan")),
        ("1", 1),
        ([1], [1, 1]),
    ):
        assert not same({"a": [one]}, {"a": [other]})
    assert same(float("nan"), float("nan"))
    assert not same({"a": 1}, {"b": 1})


def test_bad_json_is_named() -> None:
    for text in (b"", b"{", b'{"a": NaNN}', b"[" * 100_000, b'"\xff"'):
        with pytest.raises(InputError, match="here: no JSON"):
            parse(text, "here")
    with pytest.raises(InputError, match="here: a list"):
        fields_of(b"[]", frozenset(), "here")
