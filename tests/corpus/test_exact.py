"""Keys of texts and addresses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumpun.corpus.exact import canonical_url, text_keys, url_keys

THAI_HOST = "สยาม".encode("idna").decode()
SAME = [
    ("HTTP://www.Example.org:80/a/b/?utm_source=x&b=2&a=1#top", "https://example.org/a/b?a=1&b=2"),
    ("https://example.org", "http://example.org/"),
    ("https://example.org/%7euser/caf%C3%A9", "https://example.org/~user/café"),
    ("https://example.org:443/x?fbclid=abc", "https://example.org/x"),
    ("https://user:secret@example.org/x", "https://example.org/x"),
    ("https://สยาม.example/หน้า", f"https://{THAI_HOST}.example/%E0%B8%AB%E0%B8%99%E0%B9%89%E0%B8%B2"),
    ("https://example.org./x", "https://example.org/x"),
]
DIFFERENT = [
    ("https://example.org/a", "https://example.org/A"),
    ("https://example.org/a?page=1", "https://example.org/a?page=2"),
    ("https://example.org/a", "https://example.net/a"),
    ("https://example.org:8080/a", "https://example.org/a"),
    ("https://example.org/a?q=1%262", "https://example.org/a?q=1&2"),
    ("https://example.org/a%2Fb", "https://example.org/a/b"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_addresses_of_one_page(one, other):
    assert canonical_url(one) == canonical_url(other) != ""


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_addresses_of_two_pages(one, other):
    assert canonical_url(one) != canonical_url(other)


@pytest.mark.parametrize(
    "url",
    ["", "file:///etc/hosts", "no address", "http://", "https://[::1", "https://h:99999/", "mailto:a@b"],
)
def test_what_is_no_web_address_has_no_form(url):
    assert canonical_url(url) == ""
    assert bytes(url_keys([url])[0]) == bytes(16)


@given(st.text(max_size=40))
def test_a_form_is_its_own_form(path):
    form = canonical_url(f"https://example.org/{path}")
    assert canonical_url(form) == form


@given(st.lists(st.text(alphabet="aAbB \n\tกé", max_size=8), max_size=8))
def test_texts_are_equal_where_case_and_white_space_are_all_that_differs(texts):
    keys = [bytes(key) for key in text_keys(texts)]
    plain = [" ".join(text.casefold().split()) for text in texts]
    for a, key_a in zip(plain, keys, strict=True):
        for b, key_b in zip(plain, keys, strict=True):
            assert (a == b) == (key_a == key_b)
