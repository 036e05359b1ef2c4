"""A page as a parser sees it, and texts that try to break out of it."""

from html.parser import HTMLParser
from typing import Any

import msgspec
from hypothesis import strategies as st

from rumpun.evaluate.records import Sample, Scores

EVIL = (
    "</td></table></script><script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "' onload='alert(1)", "<!-- ", "]]>",
    "\u202edlrow\u202c \u2066x", "\ud800", "\udfff\ud83d", "\x00\x1b[31m\x07", "{{ 7 * 7 }}{% raw %}", "&lt;b&gt;&amp;amp;", "שלום עולם",
    "</style><style>*{display:none}", "javascript:alert(1)", "ก" + "\u0e49" * 40, "မြန်\u200bမာ", "\ufffe\U000e0041",
)  # fmt: skip
HOSTILE = st.one_of(
    st.sampled_from(EVIL),
    st.text(
        st.characters(categories=("L", "M", "N", "P", "S", "Z", "Cc", "Cf", "Cs", "Co")),
        min_size=1,
        max_size=40,
    ),
    st.text(st.sampled_from("<>&\"'/= \n\x00\u202eaก"), min_size=1, max_size=40),
)


class Page(HTMLParser):
    """Tags with the names of their attributes, their values, and all text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.values: list[tuple[str, str, str]] = []  # tag, attribute, value
        self.ends: list[str] = []
        self.text = ""
        self.odd: list[str] = []  # comments and the like
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.values += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        self.ends.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.odd.append(data)

    def unknown_decl(self, data: str) -> None:
        self.odd.append(data)

    def of(self, name: str) -> list[str]:
        """The values of an attribute."""
        return [value for _, attribute, value in self.values if attribute == name]


def filled(value: Any, put: Any, keys: frozenset[str] = frozenset()) -> Any:
    """A copy of a record in which `put(text)` stands for every text that data may bring; `keys` are fields left alone."""
    if isinstance(value, str):
        return put(value)
    if isinstance(value, list):
        return [filled(one, put, keys) for one in value]
    if isinstance(value, dict):
        return {key: filled(one, put, keys) for key, one in value.items()}
    if isinstance(value, msgspec.Struct):
        own = {name: getattr(value, name) for name in value.__struct_fields__}
        return type(value)(
            **{name: one if name in keys else filled(one, put, keys) for name, one in own.items()}
        )
    return value


# what the code itself decides by, and what must agree between records
FIXED = frozenset(("status", "over", "metric", "metrics", "method", "test"))


def hostile(
    scores: Scores, samples: list[Sample], against: list[Sample], text: str
) -> tuple[Scores, list[Sample], list[Sample]]:
    """The same run with a text put before every text in it: names still agree with one another."""

    def put(old: str) -> str:
        return text + old if old not in ("", "*") else old

    return filled(scores, put, FIXED), filled(samples, put, FIXED), filled(against, put, FIXED)
