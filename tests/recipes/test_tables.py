"""Tables to dataclasses: strict at every level, and every message says what was expected."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.errors import UsageError
from rumpun.recipes import build


@dataclass(frozen=True)
class Share:
    tag: str
    weight: float = 1.0
    epochs_max: int = 4

    def check(self):
        if self.weight < 0:
            raise ValueError(f"weight = {self.weight}: at least 0 was expected")


@dataclass(frozen=True)
class Params:
    tokens_max: int
    rate: float = 1e-4
    shuffle: bool = True
    optimiser: Literal["adamw", "sgd"] = "adamw"
    languages: tuple[str, ...] = ()
    shares: tuple[Share, ...] = ()
    by_language: dict[str, Share] = field(default_factory=dict)
    limit: int | None = None
    either: int | str = 0
    first: Share = field(default_factory=lambda: Share("id"))
    anything: Any = None


SHARE = st.builds(Share, tag=st.text(), weight=st.floats(0, 1e9), epochs_max=st.integers(0, 99))
PARAMS = st.builds(
    Params,
    tokens_max=st.integers(),
    rate=st.floats(allow_nan=False, allow_infinity=False),
    shuffle=st.booleans(),
    optimiser=st.sampled_from(["adamw", "sgd"]),
    languages=st.lists(st.text()).map(tuple),
    shares=st.lists(SHARE, max_size=3).map(tuple),
    by_language=st.dictionaries(st.text(), SHARE, max_size=3),
    either=st.integers() | st.text(),
    first=SHARE,
    anything=st.none() | st.integers() | st.text(),
)


def as_toml(value):
    """What TOML would have given: lists for tuples, no None."""
    if isinstance(value, dict):
        return {key: as_toml(item) for key, item in value.items() if item is not None}
    return [as_toml(item) for item in value] if isinstance(value, list | tuple) else value


@given(PARAMS)
def test_what_is_written_out_is_read_back(params):
    assert build(Params, as_toml(dataclasses.asdict(params)), "r.toml") == params


@pytest.mark.parametrize(
    ("table", "where", "nearest"),
    [
        ({"tokens_max": 1, "tokens_mx": 2}, "unknown key 'tokens_mx'", "tokens_max"),
        ({"tokens_max": 1, "first": {"tga": "id"}}, "r.first: unknown key 'tga'", "tag"),
        (
            {"tokens_max": 1, "shares": [{"tag": "a"}, {"tag": "b", "wieght": 1}]},
            "r.shares[1]: unknown key 'wieght'",
            "weight",
        ),
        (
            {"tokens_max": 1, "by_language": {"th": {"tag": "th", "epoch_max": 1}}},
            "r.by_language.th: unknown key",
            "epochs_max",
        ),
        ({"tokens_max": 1, "optimiser": "adam"}, "r.optimiser = 'adam'", "adamw"),
    ],
)
def test_an_unknown_key_or_choice_meets_the_nearest_at_every_level(table, where, nearest):
    with pytest.raises(UsageError) as caught:
        build(Params, table, "r")
    assert where in caught.value.message
    assert f"did you mean '{nearest}'?" in caught.value.hint


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("tokens_max", "many", "a whole number"),
        ("tokens_max", 1.5, "a whole number"),
        ("tokens_max", True, "a whole number"),
        ("rate", "fast", "a number"),
        ("rate", True, "a number"),
        ("rate", float("nan"), "a number"),
        ("rate", float("inf"), "a number"),
        ("shuffle", 1, "true or false"),
        ("languages", "th", "a list, each of it text"),
        ("languages", ["th", 1], "text in quotes"),
        ("by_language", ["th"], "a table"),
        ("shares", {"tag": "x"}, "a list"),
        ("first", "id", "a table"),
        ("limit", "x", "a whole number"),
        ("either", 1.5, "a whole number or text in quotes"),
    ],
)
def test_a_value_of_another_type_is_refused_in_words(key, value, expected):
    with pytest.raises(UsageError) as caught:
        build(Params, {"tokens_max": 1} | {key: value}, "r")
    assert f"r.{key}" in caught.value.message
    assert (
        repr(value if not isinstance(value, list) or key == "by_language" else value[-1])
        in caught.value.message
    )
    assert expected in caught.value.hint


def test_a_whole_number_is_a_number_too():
    assert type(build(Params, {"tokens_max": 1, "rate": 1}, "r").rate) is float


def test_a_missing_key_says_its_type():
    with pytest.raises(UsageError, match="'tokens_max' is missing") as caught:
        build(Params, {}, "r")
    assert "a whole number" in caught.value.hint


def test_what_check_refuses_is_a_usage_error_with_its_place():
    with pytest.raises(UsageError, match=r"r\.shares\[0\]: weight = -1\.0"):
        build(Params, {"tokens_max": 1, "shares": [{"tag": "th", "weight": -1.0}]}, "r")
