"""Tokens that cut through a character, against every code point there is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.edge.characters import cut_bytes, ending, inside, starting

SURROGATES = range(0xD800, 0xE000)


@given(st.text(max_size=6), st.data())
def test_any_run_of_a_texts_bytes_is_cut_into_whole_characters_and_ends(line, data):
    content = line.encode()
    start = data.draw(st.integers(0, len(content)))
    part = content[start : data.draw(st.integers(start, len(content)))]
    head, whole, tail = cut_bytes(part)
    assert head + whole.encode() + tail == part
    assert whole in line
    assert all(0x80 <= byte < 0xC0 for byte in head)


@pytest.mark.parametrize("odd", [b"\xff", b"a\xc0", b"\xe0\xb8a", b"a\x80b", b"\xf5\x80", b"\xc3\xa9\x80"])
def test_bytes_of_no_text_are_told(odd):
    cut = cut_bytes(odd)
    assert cut is None or not any(starting(cut[2]))


@given(st.integers(0x80, 0x10FFFF).filter(lambda point: point not in SURROGATES), st.data())
def test_a_character_is_found_by_each_of_its_parts_and_what_is_found_has_the_part(point, data):
    content = chr(point).encode()
    at = data.draw(st.integers(1, len(content) - 1))
    middle = content[at : data.draw(st.integers(at, len(content) - 1))]
    assert point in starting(content[:at])
    assert point in ending(content[at:])
    assert not middle or point in inside(middle)
    checks = [(starting, content[:at], bytes.startswith), (ending, content[at:], bytes.endswith)]
    for found, part, has in checks:
        for other in list(found(part))[::97]:
            assert other in SURROGATES or has(chr(other).encode(), part)
