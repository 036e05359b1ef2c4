"""Text -> personal data found, masked: national identifiers, phones, e-mail, cards, accounts of eleven countries.

Reading order: `found` (what is found), `pack` (one TOML file a country in `countries/`: layouts, checks, words of
context), `checks` (check digits, dates, places), `fold` (digits and separators of every script as one), `runs` (where
numbers stand and what words stand around them), `numbers`, `lettered`, `phones`, `addresses`, `payloads`, `nrc` (the
recognisers), `finder` (all of them, scored and settled), `mask` and `stream` (what is written instead); for Presidio's
users `names`, `anonymise` and `rest` (its requests), `presidio` (recognisers for its engine).
Names are imported when they are first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "Found": "rumpun.personal.found",
    "MASK_AT": "rumpun.personal.found",
    "COUNTRIES": "rumpun.personal.pack",
    "Pack": "rumpun.personal.pack",
    "packs": "rumpun.personal.pack",
    "find": "rumpun.personal.finder",
    "find_all": "rumpun.personal.finder",
    "tag": "rumpun.personal.finder",
    "STYLES": "rumpun.personal.mask",
    "Masked": "rumpun.personal.mask",
    "Masker": "rumpun.personal.mask",
    "MaskStream": "rumpun.personal.stream",
    "held": "rumpun.personal.stream",
}

__all__ = [  # noqa: RUF022 - in the order of the reading
    "Found", "MASK_AT", "COUNTRIES", "Pack", "packs", "find", "find_all", "tag", "STYLES", "Masked", "Masker",
    "MaskStream", "held",
]  # fmt: skip

if TYPE_CHECKING:
    from rumpun.personal.finder import find, find_all, tag
    from rumpun.personal.found import MASK_AT, Found
    from rumpun.personal.mask import STYLES, Masked, Masker
    from rumpun.personal.pack import COUNTRIES, Pack, packs
    from rumpun.personal.stream import MaskStream, held


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'rumpun.personal' has no attribute '{name}'")
