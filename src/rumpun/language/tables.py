"""What is known of each language: one TOML file a language in `languages/`, loaded strictly.

A speaker corrects a file and adds a name to `reviewed_by`; an empty list means that nobody has reviewed it yet.
"""

import functools
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from rumpun.errors import InputError, UsageError
from rumpun.recipes import build

__all__ = ["WORKING", "Language", "languages", "read_language"]

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
_TAG = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?")
_FOLDER = Path(__file__).parent / "languages"


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """One language."""

    tag: str  # BCP-47
    english: str  # its name in English
    own: str  # its name in itself
    scripts: tuple[str, ...]  # ISO 15924, the most usual first
    sentence_ends: tuple[str, ...]  # marks that end a sentence; empty where none is usual
    native_digits: str = ""  # zero to nine, or empty where only 0 to 9 are used
    words_with_spaces: bool = True  # False where spaces do not stand between words
    abbreviations: tuple[str, ...] = ()  # lower case, without the last full stop: "dr", "no"
    reviewed_by: tuple[str, ...] = ()  # native speakers who have read this file

    def check(self) -> None:
        """Refuse what cannot be meant."""
        if not _TAG.fullmatch(self.tag):
            raise ValueError(f"tag = {self.tag!r}: not a BCP-47 tag such as 'th' or 'en-SG'")
        if not self.scripts or any(len(script) != 4 for script in self.scripts):
            raise ValueError(f"scripts = {list(self.scripts)}: expected ISO 15924 codes such as 'Latn'")
        if self.native_digits and [int(d) for d in self.native_digits if d.isdecimal()] != list(range(10)):
            raise ValueError(f"native_digits = {self.native_digits!r}: expected ten digits, zero to nine")


def read_language(path: Path) -> Language:
    """Read one language's file.

    Raises:
        InputError: it cannot be read or is not TOML.
        UsageError: an unknown or missing key, or a value that cannot be meant.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})", "check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not TOML ({error})", "mend the line named") from error
    language = build(Language, table, str(path))
    if language.tag != path.stem:
        raise UsageError(f"{path}: tag = '{language.tag}'", f"name the file {language.tag}.toml")
    return language


@functools.cache
def languages() -> dict[str, Language]:
    """Tag -> language, the working languages first, then the others by tag."""
    found = {path.stem: read_language(path) for path in sorted(_FOLDER.glob("*.toml"))}
    rest = [tag for tag in found if tag not in WORKING]
    return {tag: found[tag] for tag in (*WORKING, *rest)}
