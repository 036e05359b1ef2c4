"""Web pages: bytes -> the main text, with the title beside it and the links left out (resiliparse)."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from rumpun.corpus.read.formats import Opened, Record
from rumpun.corpus.read.formats.decode import Decoder, decoded_or_replaced, known_encoding

__all__ = ["Page", "page", "read"]

_META = re.compile(
    rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9._:-]{2,40})|<\?xml[^>]{0,80}encoding\s*=\s*["']([A-Za-z0-9._-]{2,40})""",
    re.IGNORECASE,
)
_HEAD_BYTES = 4096  # in which a page names its encoding
_BLANK_LINES = re.compile(r"\n[ \t]*\n(?:[ \t]*\n)+")


class Page(NamedTuple):
    """What a page holds."""

    text: str  # main text, paragraphs between empty lines
    title: str
    encoding: str  # in which it was read; "" for UTF-8


def page(data: bytes, *, charset: str = "", language: str = "") -> Page:
    """The main text of a page; `charset` is what its HTTP header names. Titles and links are not in the text.

    UTF-8 is tried first (nothing else passes for it), then what the header and the page name, then what fits.
    """
    from resiliparse.extract.html2text import extract_plain_text
    from resiliparse.parse.html import HTMLTree

    declared = charset if known_encoding(charset) else _declared(data[:_HEAD_BYTES])
    decoder = Decoder(declared, language)
    html, encoding = decoded_or_replaced(data, decoder)
    if not encoding and declared and not _is_utf8(data):
        encoding = known_encoding(declared)
    tree = HTMLTree.parse(html)
    title = " ".join((tree.title or "").split())
    text = extract_plain_text(
        tree, main_content=True, preserve_formatting=True, list_bullets=False, alt_texts=False, links=False,
        form_fields=False, noscript=False,
    )  # fmt: skip
    lines = "\n".join(line.strip() for line in text.strip().split("\n"))
    return Page(_BLANK_LINES.sub("\n\n", lines), title, encoding)


def _declared(head: bytes) -> str:
    for found in _META.finditer(head):
        label = (found[1] or found[2]).decode("ascii")
        if known_encoding(label):
            return label
    return ""


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def read(opened: Opened) -> Iterator[tuple[int, Record]]:
    """(1, record) of a file that is one page."""
    held = bytearray()
    size = 0
    for chunk in opened.chunks():
        size += len(chunk)
        held += chunk
        if size > opened.limit:
            del held[opened.limit :]
    if size > opened.limit:
        opened.too_large(1, size, bytes(held))
        return
    if size and opened.damaged:
        opened.cut_off(1, bytes(held))
        return
    if size and (record := record_of(opened, 1, bytes(held), "")):
        yield 1, record


def record_of(
    opened: Opened, row: int, data: bytes, charset: str, told: Record | None = None
) -> Record | None:
    """A page's record; None, and a refusal, where it holds no text. `told` is what is known of it beside the page."""
    found = page(data, charset=charset or opened.file.encoding, language=opened.file.language)
    if not found.text:
        opened.reject("read.no_text", "a page without main text", record=told, row=row, data=data)
        return None
    if found.encoding:
        opened.recoded[found.encoding] += 1
    if found.encoding == "utf-8 with replacements":
        opened.rejects.note(
            "read.recoded", "broken UTF-8, marks stand for it", file=opened.file.name, row=row
        )
    return {"text": found.text, "title": found.title, "encoding": found.encoding or "utf-8"}
