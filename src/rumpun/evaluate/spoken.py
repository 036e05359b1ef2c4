"""Whether an answer is in the language and script that was asked for.

The identifier errs between sisters (at 100 code points it takes 7 % of Indonesian for Malay and 14 % of Malay for
Indonesian; its figures stand in `language/identifier.json`), so a sister in the right script is told apart from another
language. An answer that is too short to tell is neither right nor wrong: below four letters and marks where the script asked
for names the language by itself, below twenty elsewhere, whatever the answer turns out to be in, so that leaving it out
favours neither.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import regex

from rumpun.errors import UsageError, nearest
from rumpun.language.hanzi import simplified
from rumpun.language.identifier import Identified, identify_all
from rumpun.language.tables import Language, languages

__all__ = ["LEAST", "Kind", "Spoken", "spoken"]

LEAST = {"script": 4, "words": 20}  # letters and marks that tell a language by its script, by its words
_NAMES_ONE = frozenset({"Thai", "Laoo", "Khmr", "Taml", "Hani", "Mymr"})  # scripts of one language here
_LETTER = regex.compile(r"[\p{L}\p{M}\p{Nl}]")
_HAN = regex.compile(r"\p{Han}")
_TRADITIONAL = 0.1  # share of Han characters with a simplified form, from which a text is in traditional ones


Kind = Literal["right", "sister", "other", "short"]  # "other": another language, or another script


@dataclass(frozen=True, slots=True)
class Spoken:
    """What an answer is in, beside what was asked."""

    kind: Kind
    language: str  # BCP-47; `und` where it is none that is known
    script: str  # ISO 15924
    probability: float  # of the language


def spoken(answers: Sequence[str], language: str, script: str = "") -> list[Spoken]:
    """Each answer beside the language that was asked for.

    Args:
        answers: any texts; signs and digits do not count.
        language: BCP-47.
        script: ISO 15924, one of the language's; without it any of them is right. Simplified and traditional Chinese are
            told apart where `Hans` or `Hant` is asked for.

    Raises:
        UsageError: no table has the language, or it is not written in that script.
    """
    known = languages()
    asked = known.get(language) or known.get(language.partition("-")[0])
    if asked is None:
        raise UsageError(f"no table has the language '{language}'", nearest(language, list(known)))
    if script and script not in (*asked.scripts, "Hani" if asked.tag == "zh" else ""):
        raise UsageError(
            f"'{language}' is not written in '{script}'", "it is written in " + ", ".join(asked.scripts)
        )
    wanted = _Asked(asked, script, frozenset(map(_common, [script] if script else asked.scripts)))
    found = identify_all(answers, spans=False)
    return [
        Spoken(wanted.kind(text, one), one.language, one.script, one.probability)
        for text, one in zip(answers, found, strict=True)
    ]


def _common(script: str) -> str:
    return "Hani" if script in ("Hans", "Hant") else script


@dataclass(frozen=True, slots=True)
class _Asked:
    language: Language
    script: str  # "" for any of the language's
    scripts: frozenset[str]  # as the identifier names them

    def kind(self, text: str, found: Identified) -> Kind:
        """What a text is, beside what was asked."""
        if (
            len(_LETTER.findall(unicodedata.normalize("NFC", text)))
            < LEAST["script" if self.scripts <= _NAMES_ONE else "words"]
        ):
            return "short"
        if found.script not in self.scripts:
            return "other"
        if self.script in ("Hans", "Hant") and _characters(text) != self.script:
            return "other"
        main = found.language.partition("-")[0]
        if main == self.language.tag.partition("-")[0]:
            return "right"
        other = languages().get(main)
        sisters = other and (main in self.language.sisters or self.language.tag in other.sisters)
        return "sister" if sisters else "other"


def _characters(text: str) -> str:
    """`Hant` where many characters have a simplified form that they are not in, else `Hans`."""
    han = len(_HAN.findall(text))
    changed = sum(1 for one, other in zip(text, simplified(text), strict=True) if one != other)
    return "Hant" if changed >= _TRADITIONAL * max(han, 1) else "Hans"
