"""Thai, Lao, Khmer, Burmese and Tamil as they are typed in Latin letters, and Vietnamese without its marks.

Nobody types by a standard: each text draws one writer's habits and keeps to them (`identifier_romanise` has the Tamil
ones). The rules go from spelling to sound, syllable by syllable, with no dictionary: they are near enough to what people
type to train and to test on, and no transliteration. The tables were written by a machine after the usual
romanisations (RTGS, BGN/PCGN, MLCTS and everyday use) and no native speaker has reviewed them.
"""

import random
import re
import unicodedata
from collections.abc import Callable

from rumpun.language.identifier_romanise import romanised as _tamil
from rumpun.language.romanise_burmese import burmese
from rumpun.language.romanise_khmer import khmer
from rumpun.language.romanise_tai import lao, thai

__all__ = ["ROMANISED", "romanised"]

_PUNCTUATION = str.maketrans({"။": ".", "၊": ",", "។": ".", "៕": ".", "៖": ":"})
_BARE = str.maketrans("đĐ", "dD")
_VIETNAMESE = re.compile("[\u1ea0-\u1ef9\u0110\u0111\u01a0\u01a1\u01af\u01b0]")


def _vietnamese(text: str, dice: random.Random) -> str:
    del dice  # there is one way to leave marks out
    apart = unicodedata.normalize("NFD", text)
    return "".join(sign for sign in apart if not unicodedata.combining(sign)).translate(_BARE)


_OWN: dict[str, tuple[re.Pattern[str], Callable[[str, random.Random], str]]] = {
    "Thai": (re.compile("[\u0e01-\u0e5b]+"), thai),
    "Laoo": (re.compile("[\u0e80-\u0eff]+"), lao),
    "Khmr": (re.compile("[\u1780-\u17ff]+"), khmer),
    "Mymr": (re.compile("[\u1000-\u109f]+"), burmese),
    "Taml": (re.compile("[\u0b80-\u0bff]+"), _tamil),
}
ROMANISED = (*_OWN, "Viet")  # scripts (ISO 15924), and Vietnamese


def romanised(text: str, dice: random.Random) -> str:
    """The text in plain Latin letters, as one writer would type it, native digits and stops as those of English.

    Text of the scripts is expected in its normal form (`normalise`); other scripts stay as they are.
    """
    habits = dice.getrandbits(32)  # each run of a script is written by the same writer
    for pattern, written in _OWN.values():
        if pattern.search(text):
            text = "".join(str(unicodedata.decimal(sign, sign)) for sign in text.translate(_PUNCTUATION))
            text = pattern.sub(lambda found: written(found.group(), random.Random(habits)), text)  # noqa: B023, S311 - called at once; habits, no secret
    return _vietnamese(text, dice) if _VIETNAMESE.search(text) else text
