"""Text -> languages, scripts, sentences, n-grams.

Reading order: `tables` (what is known of each language, one TOML file a language), `scripts` (script of a code
point), `normalise` (one spelling for what looks the same, with the way back: `offsets`), `segment` (graphemes,
syllables, words), `sentences` (splitting, also in a stream), `ngrams` and `heads` (hashed character n-grams and linear heads
over them: the guard uses them too), `identifier` (which language a text is in), `train_lid` (how that was trained).
Names are imported when they are first used; `identify` brings numpy.
"""

import importlib
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "Identified": "rumpun.language.identifier",
    "Language": "rumpun.language.tables",
    "SentenceStream": "rumpun.language.sentences",
    "Span": "rumpun.language.identifier",
    "Normalised": "rumpun.language.normalise",
    "Options": "rumpun.language.normalise",
    "fallback": "rumpun.language.tables",
    "hashed": "rumpun.language.ngrams",
    "identify": "rumpun.language.identifier",
    "identify_all": "rumpun.language.identifier",
    "languages": "rumpun.language.tables",
    "normalise_all": "rumpun.language.normalise",
    "script_counts": "rumpun.language.scripts",
    "script_of": "rumpun.language.scripts",
    "segmenter": "rumpun.language.segment",
    "segmenter_for": "rumpun.language.segment",
    "syllables": "rumpun.language.segment",
    "split": "rumpun.language.sentences",
}

__all__ = [  # noqa: RUF022 - in the order of the reading
    "Language", "languages", "fallback", "script_of", "script_counts", "Normalised", "Options", "normalise_all",
    "segmenter", "segmenter_for", "syllables", "SentenceStream", "split", "hashed",
    "identify", "identify_all", "Identified", "Span",
]  # fmt: skip

if TYPE_CHECKING:
    from rumpun.language.identifier import Identified, Span, identify, identify_all
    from rumpun.language.ngrams import hashed
    from rumpun.language.normalise import Normalised, Options, normalise_all
    from rumpun.language.scripts import script_counts, script_of
    from rumpun.language.segment import segmenter, segmenter_for, syllables
    from rumpun.language.sentences import SentenceStream, split
    from rumpun.language.tables import Language, fallback, languages


def __getattr__(name: str) -> Any:
    # `languages` is a function here and a folder of tables on disk: the folder is no package, so nothing shadows it
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'rumpun.language' has no attribute '{name}'")
