"""A small JSON file comes back as what was written, or is refused by name with its own mend."""

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rumpun.errors import InputError
from rumpun.records.json_files import read_json


class Fact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    size: int


def read(path):
    return read_json(path, Fact, "a fact", absent="fetch it", damaged="fetch it again")


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(), st.integers(-(2**53), 2**53), st.integers(0))
def test_what_was_written_comes_back_and_a_part_of_it_is_refused(tmp_path, name, size, place):
    path, fact = tmp_path / "fact.json", Fact(name, size)
    data = msgspec.json.encode(fact)
    path.write_bytes(data)
    assert read(path) == fact
    path.write_bytes(data[: place % len(data)])
    with pytest.raises(InputError) as caught:
        read(path)
    assert caught.value.message.startswith(f"{path}: not a fact (")
    assert caught.value.hint == "fetch it again"


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b'{"name": "\xff", "size": 1}', b'{"name": 1}', b"[]", b'{"x": 1}']
)
def test_another_form_is_refused(tmp_path, data):
    (tmp_path / "fact.json").write_bytes(data)
    with pytest.raises(InputError, match=r"fact\.json: not a fact \(.+\)$"):
        read(tmp_path / "fact.json")


def test_what_cannot_be_read_says_why(tmp_path):
    for path, why in (
        (tmp_path / "gone.json", "no such file"),
        (tmp_path, "cannot be read (Is a directory)"),
    ):
        with pytest.raises(InputError) as caught:
            read(path)
        assert caught.value.message == f"{path}: {why}"
        assert caught.value.hint == "fetch it"
