"""Traditional Chinese characters read as simplified ones, one for one.

The table is ICU's transform Traditional-Simplified (Unicode-3.0), less the characters that simplified text uses too (乾,
著); `scripts/make_hanzi.py` writes it.
"""

from functools import cache
from pathlib import Path

import regex

__all__ = ["simplified"]

_HAN = regex.compile("[\u3400-\u9fff]")


@cache
def _table() -> dict[int, str]:
    lines = (Path(__file__).parent / "hanzi.txt").read_text(encoding="utf-8").splitlines()
    return {ord(one): other for one, other in zip(*lines, strict=True)}


def simplified(text: str) -> str:
    """The text with each traditional character put in its simplified form; as long as before, the same if done twice."""
    return text.translate(_table()) if _HAN.search(text) else text
