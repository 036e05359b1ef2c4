"""Which language a text is in: by its script first, then, for Latin script, by a linear model of character n-grams.

Thai, Lao, Khmer, Tamil, Han and Myanmar script name their language (Shan by its own letters); scripts that are not in
the tables, kana among them, give `und`. The Latin model is `identifier.safetensors` beside this file, trained by
recipes/lid/run.toml; `identifier.json` has its sources and its accuracy on sources that it has not seen.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import regex

from rumpun.language.heads import Heads, read_heads
from rumpun.language.scripts import runs

__all__ = ["LEAST", "UNDETERMINED", "Identified", "Span", "clean", "identify", "identify_all", "latin"]

UNDETERMINED = "und"
LEAST = 0.3  # below this probability the answer is `und`
_LOOK = 10_000  # code points of one script that are looked at; more do not change the answer
_BY_SCRIPT = {"Thai": "th", "Laoo": "lo", "Khmr": "km", "Taml": "ta", "Hani": "zh", "Mymr": "my"}
_SHAN = regex.compile(r"[\u1075-\u108F\u1022\u109A-\u109F]")
_MYANMAR_LETTER = regex.compile(r"[\u1000-\u102A]|[\u1075-\u1081]")
_KANA = regex.compile(r"[\u3041-\u30FF]")
_NOT_LETTERS = regex.compile(r"[^\p{L}\p{M}'’]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A run of one script: code points start to end, and the language of the run."""

    start: int
    end: int
    language: str
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Identified:
    """The language that most of a text's letters are in."""

    language: str  # BCP-47, `und` where there is no answer
    probability: (
        float  # of the language within its script, times that script's share of the letters; 0 for `und`
    )
    script: str  # ISO 15924 of most letters, "" where there are none
    spans: tuple[Span, ...] = ()


@functools.cache
def latin() -> Heads:
    """The model for Latin script, read once."""
    return read_heads(Path(__file__).parent, "identifier")


def clean(text: str) -> str:
    """What the Latin model sees: letters, marks and apostrophes; all else is one space."""
    return str(_NOT_LETTERS.sub(" ", text[:_LOOK]))


def _latin(texts: Sequence[str], heads: Heads) -> list[tuple[str, float]]:
    cleaned = [clean(text) for text in texts]
    logits = heads.logits(cleaned) / float(heads.facts["temperature"])
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    best = chances.argmax(axis=1)
    return [
        (heads.labels[b], float(c[b])) if text.strip() else (UNDETERMINED, 0.0)
        for text, b, c in zip(cleaned, best, chances, strict=True)
    ]


def _scripted(text: str, script: str) -> tuple[str, float]:
    look = text[:_LOOK]
    if script == "Mymr":
        letters = len(_MYANMAR_LETTER.findall(look)) or 1
        return ("shn", 1.0) if len(_SHAN.findall(look)) > letters / 10 else ("my", 1.0)
    if script == "Hani" and len(_KANA.findall(look)) * 10 > len(look):
        return UNDETERMINED, 0.0
    language = _BY_SCRIPT.get(script, UNDETERMINED)
    return language, float(language != UNDETERMINED)


def identify(text: str) -> Identified:
    """Identify one text; see `identify_all`."""
    return identify_all([text])[0]


def identify_all(texts: Sequence[str], heads: Heads | None = None) -> list[Identified]:
    """Identify each text; many at once are cheaper than one by one.

    Of each script at most the first 10,000 code points are looked at. `heads` replaces the shipped Latin model.

    Raises:
        InputError: the shipped model is missing or damaged.
    """
    pieces = [runs(text) for text in texts]
    whole: list[dict[str, str]] = []  # for each text: script -> its text
    wanted: list[str] = []
    for text, parts in zip(texts, pieces, strict=True):
        by_script: dict[str, list[str]] = {}
        for start, end, script in parts:
            by_script.setdefault(script, []).append(text[start:end])
        whole.append({script: " ".join(found) for script, found in by_script.items()})
        if "Latn" in by_script:
            wanted.append(whole[-1]["Latn"])
            if len(by_script["Latn"]) > 1:
                wanted.extend(by_script["Latn"])
    answers = dict(zip(wanted, _latin(wanted, heads or latin()), strict=True)) if wanted else {}
    return [
        _answer(text, parts, found, answers) for text, parts, found in zip(texts, pieces, whole, strict=True)
    ]


def _answer(
    text: str,
    parts: list[tuple[int, int, str]],
    by_script: dict[str, str],
    answers: dict[str, tuple[str, float]],
) -> Identified:
    if not parts:
        return Identified(language=UNDETERMINED, probability=0.0, script="")

    def ask(piece: str, script: str) -> tuple[str, float]:
        language, chance = answers[piece] if script == "Latn" else _scripted(piece, script)
        return (language, chance) if chance >= LEAST else (UNDETERMINED, 0.0)

    sizes = {script: len(clean(found)) for script, found in by_script.items()}
    script = max(sizes, key=lambda name: sizes[name])
    language, chance = ask(by_script[script], script)
    spans = []
    for start, end, name in parts:
        spoken, sure = ask(text[start:end], name)
        spans.append(Span(start=start, end=end, language=spoken, probability=round(sure, 4)))
    share = sizes[script] / max(1, sum(sizes.values()))
    return Identified(
        language=language, probability=round(chance * share, 4), script=script, spans=tuple(spans)
    )
