"""Text hidden in base64, in hexadecimal digits or in tag characters, opened once."""

import base64
import binascii
import re

__all__ = ["unwrapped"]

_TAGS = re.compile("[\U000e0020-\U000e007e]{4,}")  # invisible copies of ASCII
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}(?:\s?[A-Za-z0-9+/_-]{4,})*={0,2}")
_HEX = re.compile(r"(?:(?:\\x|0x|%)?[0-9A-Fa-f]{2}[\s,:]?){8,}")
_HEX_SIGNS = re.compile(r"\\x|0x|[\s,:%]")
_MOSTLY = 0.5  # share of a text that the run must fill
_READABLE = 0.9  # share of what comes out that must be letters, marks, digits, white space or punctuation


def unwrapped(text: str) -> str:
    """What is hidden in a text that is mostly one such run; "" where nothing is."""
    tags = "".join(chr(ord(sign) - 0xE0000) for run in _TAGS.findall(text) for sign in run)
    if tags:
        return tags
    for pattern, opened in ((_HEX, _hex), (_BASE64, _base64)):
        run = max((found.group() for found in pattern.finditer(text)), key=len, default="")
        if run and len(run) >= _MOSTLY * len(text.strip()):
            return _text(opened(run))
    return ""


def _hex(run: str) -> bytes:
    digits = _HEX_SIGNS.sub("", run)
    return bytes.fromhex(digits) if len(digits) % 2 == 0 else b""


def _base64(run: str) -> bytes:
    signs = re.sub(r"\s", "", run).rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        return base64.b64decode(signs + "=" * (-len(signs) % 4))
    except binascii.Error:
        return b""


def _text(raw: bytes) -> str:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    fit = sum(1 for sign in text if sign.isprintable() or sign.isspace())
    return text if text and fit >= _READABLE * len(text) else ""
