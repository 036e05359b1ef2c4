"""Words as SEA-HELM cuts them: its own clean-up, then pythainlp, jieba, pyonmttok or Burmese syllables.

The three libraries are SEA-HELM's pins: another version may cut otherwise, so it is refused. They are imported when used.
Source: src/rouge_score/tokenizers.py, src/rouge_score/rouge_scorer.py.
"""

import importlib
import unicodedata
import warnings
from functools import cache
from importlib import metadata
from types import ModuleType
from typing import Any

from rumpun.errors import MissingPartError
from rumpun.evaluate.seahelm.burmese import syllables

__all__ = ["PINS", "chinese", "clean", "rouge_tokens", "thai"]

PINS = {"pythainlp": "5.2.0", "jieba": "0.42.1", "pyonmttok": "1.38.1"}
_CHINESE = (  # blocks of ideographs that a space is put around
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0x2F800, 0x2FA1F),
)


def _library(name: str, module: str) -> ModuleType:
    try:
        here = metadata.version(name)
    except metadata.PackageNotFoundError:
        raise MissingPartError(f"SEA-HELM's words ({name} {PINS[name]})", "seahelm") from None
    if here != PINS[name]:
        raise MissingPartError(f"SEA-HELM's words ({name} {PINS[name]}; here is {here})", "seahelm")
    with warnings.catch_warnings():  # jieba has escapes that Python warns of when it compiles them
        warnings.simplefilter("ignore")
        return importlib.import_module(module)


def thai(text: str) -> list[str]:
    """Thai words by pythainlp's dictionary cutter (newmm); white space stays as tokens of its own."""
    return list(_library("pythainlp", "pythainlp.tokenize").word_tokenize(text, engine="newmm"))


def chinese(text: str) -> list[str]:
    """Chinese words by jieba."""
    return list(_jieba().cut(text))


@cache
def _jieba() -> Any:
    """Jieba's cutter with its own dictionary, read here: by itself it keeps a copy where all users of a machine may write."""
    cutter = _library("jieba", "jieba").Tokenizer()
    cutter.FREQ, cutter.total = cutter.gen_pfdict(cutter.get_dict_file())
    cutter.initialized = True
    return cutter


@cache
def _aggressive() -> Any:
    return _library("pyonmttok", "pyonmttok").Tokenizer("aggressive")


def clean(text: str) -> str:
    """Words without controls and punctuation, single spaces between them.

    Null, U+FFFD and every code point of category C go; tab, line feed and carriage return count as spaces; a word is split
    at every punctuation mark (ASCII signs and Unicode's category P), which is dropped.
    """
    kept = []
    for char in text.strip():
        kind = unicodedata.category(char)
        if char in "\t\n\r" or kind == "Zs" or _mark(char, kind):
            kept.append(" ")
        elif char != "\ufffd" and kind[0] != "C":
            kept.append(char)
    return " ".join("".join(kept).split())


def _mark(char: str, kind: str) -> bool:
    return kind[0] == "P" or ("!" <= char <= "~" and not char.isalnum())


def rouge_tokens(text: str, language: str) -> list[str]:
    """Tokens of a summary in a language: words in Thai, syllables in Burmese, else words by pyonmttok.

    A text that the language's cutter makes nothing of is cut as in the other languages.
    """
    cleaned = clean(text.lower())
    cut = {"th": thai, "my": syllables}.get(language)
    found = cut(cleaned) if cut else []
    if not found and cleaned:
        words = " ".join(_aggressive().tokenize(cleaned)[0])
        found = "".join(f" {char} " if _ideograph(char) else char for char in words).split()
    return [token for token in found if token]


def _ideograph(char: str) -> bool:
    return any(low <= ord(char) <= high for low, high in _CHINESE)
