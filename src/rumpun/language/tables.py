"""What is known of each language: one TOML file a language in `languages/`, loaded strictly.

A speaker corrects a file and adds a name to `reviewed_by`; an empty list means that nobody has reviewed it yet.
`fallback` gives the languages to borrow from where one has too little data of its own.
"""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rumpun.errors import UsageError, nearest
from rumpun.recipes import build, read_toml

__all__ = ["SEGMENTERS", "WORKING", "Language", "fallback", "languages", "read_language"]

WORKING = (
    "id",
    "ms",
    "vi",
    "th",
    "tl",
    "my",
    "km",
    "lo",
    "ta",
    "zh",
    "en",
)  # always all of them in every table
SEGMENTERS = ("icu", "pure", "newmm", "khmercut", "laonlp")  # names that `language.segment` knows
_TAG = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?")
_FOLDER = Path(__file__).parent / "languages"


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """One language."""

    tag: str  # BCP-47
    iso639_3: str  # three letters
    english: str  # its name in English
    own: str  # its name in itself
    family: str  # from the widest group to the nearest
    scripts: tuple[str, ...]  # ISO 15924, the most usual first
    sisters: tuple[str, ...]  # languages to borrow from, nearest first; empty only for a working language
    sentence_ends: tuple[str, ...]  # marks that end a sentence; empty where none is usual
    digits: dict[str, str] = field(
        default_factory=dict
    )  # script -> its digits zero to nine, where it has its own
    words_with_spaces: bool = True  # False where spaces do not stand between words
    segmenter: str = "pure"  # the one to use where it is installed
    abbreviations: tuple[str, ...] = ()  # lower case, without the last full stop: "dr", "no"
    sources: tuple[str, ...] = ()  # where the facts in the file come from
    reviewed_by: tuple[str, ...] = ()  # native speakers who have read this file

    @property
    def native_digits(self) -> str:
        """The digits of the most usual script, zero to nine; empty where it has only 0 to 9."""
        return self.digits.get(self.scripts[0], "")

    def check(self) -> None:
        """Refuse what cannot be meant."""
        if not _TAG.fullmatch(self.tag):
            raise ValueError(f"tag = {self.tag!r}: not a BCP-47 tag such as 'th' or 'en-SG'")
        if not self.scripts or any(len(script) != 4 for script in self.scripts):
            raise ValueError(f"scripts = {list(self.scripts)}: expected ISO 15924 codes such as 'Latn'")
        if not re.fullmatch("[a-z]{3}", self.iso639_3):
            raise ValueError(f"iso639_3 = {self.iso639_3!r}: expected three letters such as 'tha'")
        for script, digits in self.digits.items():
            if script not in self.scripts:
                raise ValueError(f"digits.{script}: not one of the scripts {list(self.scripts)}")
            if [int(digit) for digit in digits if digit.isdecimal()] != list(range(10)) or len(digits) != 10:
                raise ValueError(f"digits.{script} = {digits!r}: expected ten digits, zero to nine")
        if self.tag in self.sisters or len(set(self.sisters)) != len(self.sisters):
            raise ValueError(f"sisters = {list(self.sisters)}: itself, or one twice")
        if self.segmenter not in SEGMENTERS:
            raise ValueError(f"segmenter = {self.segmenter!r}: {nearest(self.segmenter, SEGMENTERS)}")


def read_language(path: Path) -> Language:
    """Read one language's file.

    Raises:
        InputError: it cannot be read or is not TOML.
        UsageError: an unknown or missing key, or a value that cannot be meant.
    """
    language = build(Language, read_toml(path), str(path))
    if language.tag != path.stem:
        raise UsageError(f"{path}: tag = '{language.tag}'", f"name the file {language.tag}.toml")
    return language


@functools.cache
def languages() -> dict[str, Language]:
    """Tag -> language, the working languages first, then the others by tag.

    Raises:
        UsageError: a sister is unknown, or a chain of sisters ends before a working language.
    """
    found = {path.stem: read_language(path) for path in sorted(_FOLDER.glob("*.toml"))}
    for tag, language in found.items():
        for sister in language.sisters:
            if sister not in found:
                raise UsageError(
                    f"{_FOLDER / tag}.toml: sisters: '{sister}' has no file", nearest(sister, list(found))
                )
        if not any(sister in WORKING for sister in _chain(found, tag)) and tag not in WORKING:
            raise UsageError(
                f"{_FOLDER / tag}.toml: sisters = {list(language.sisters)}: no working language is reached",
                "end the list with one of " + ", ".join(WORKING),
            )
    rest = [tag for tag in found if tag not in WORKING]
    return {tag: found[tag] for tag in (*WORKING, *rest)}


def fallback(tag: str) -> tuple[str, ...]:
    """The languages to borrow from, nearest first: the sisters, then theirs, each once; without the language itself.

    A tag with more parts than the tables know (`id-ID`, `ms-Arab`) begins with the language itself. Unknown: none.
    """
    known = languages()
    if tag in known:
        return _chain(known, tag)
    main = tag.partition("-")[0]
    return (main, *_chain(known, main)) if main in known else ()


def _chain(known: Mapping[str, Language], tag: str) -> tuple[str, ...]:
    chain: list[str] = []
    waiting = list(known[tag].sisters)
    while waiting:
        nearest_one = waiting.pop(0)
        if nearest_one != tag and nearest_one not in chain and nearest_one in known:
            chain.append(nearest_one)
            waiting += known[nearest_one].sisters
    return tuple(chain)
