"""Which language a text is in: by its script first, then, for Latin script, by a linear model of words and n-grams.

Thai, Lao, Khmer, Tamil, Han and Myanmar script name their language (Shan by its own letters; Burmese in the Zawgyi
encoding is Burmese); Javanese, Balinese, Sundanese, Bugis and Baybayin letters too, and Arabic with the letters that only
Jawi has is Malay. Other scripts, kana among them, give `und`. The Latin model is `identifier.safetensors` beside this
file, trained by recipes/lid/run.toml; `identifier.json` has its sources and its accuracy on sources that it has not seen.

A text of several scripts is in the language of most of its letters, where a Han character counts as 2.5 letters and one of
the region's other scripts as 1.2; one to three Latin words in a row count half, since English words come into Thai or Tamil
sentences, seldom the other way. Within Latin script the model has learnt mixed lines, so that function words decide, unless
a language of another family has more letters in the spans.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rumpun.language.identifier_model import Floats, Model, read_model, softmax
from rumpun.language.identifier_spans import Part, family, parts_of, restless
from rumpun.language.identifier_words import Joined, Words, join, words
from rumpun.language.scripts import SCRIPTS, runs

__all__ = ["LEAST", "UNDETERMINED", "Identified", "Span", "identify", "identify_all", "latin"]

UNDETERMINED = "und"
LEAST = 0.2  # below this probability the answer is `und`
_LOOK = 10_000  # code points of a text that are looked at; more do not change the answer
_TEXTS = 4096  # worked on at once
_POINTS = 1 << 19  # code points worked on at once: some 60 MB of arrays
_HAN = 2.5  # letters that a Han character says as much as
_OWN = 1.2  # letters that one of the region's own scripts says as much as: they leave out more
_INSERTED_WORDS = 3  # so many Latin words in a row, or fewer, are words inside a sentence of another script
_INSERTED = 0.5  # what their letters count
_MORE = 1.25  # times the letters of the line's language that one of another family must have in the spans to be the main one
_JAWI_SHARE = 0.02  # of Arabic letters that must be Jawi's own
_JAWI_CHANCE = 0.6  # other languages of the region are written in Jawi too
_SHAN_SHARE = 0.1  # of Myanmar letters that must be Shan's own
_KANA_SHARE = 0.1  # of Han and kana

_BY_SCRIPT = {
    "Thai": "th", "Laoo": "lo", "Khmr": "km", "Taml": "ta", "Hani": "zh", "Mymr": "my",
    "Java": "jv", "Bali": "ban", "Sund": "su", "Bugi": "bug", "Tglg": "tl",
}  # fmt: skip
_LATIN, _MYANMAR, _ARABIC = (SCRIPTS.index(name) for name in ("Latn", "Mymr", "Arab"))
_HANI, _HIRA, _KATA = (SCRIPTS.index(name) for name in ("Hani", "Hira", "Kana"))
_JAWI = np.array(
    [0x0686, 0x06A0, 0x06A4, 0x0762, 0x06AC, 0x06BD, 0x06CF], np.uint32
)  # ca nga pa ga ga nya va
# Shan's letters, vowels and tones that Zawgyi gives no frequent sign of its own
_SHAN = np.array(
    [0x1022, 0x1075, 0x1076, 0x1078, 0x107A, 0x107C, 0x1080, 0x1081, 0x1082, 0x1083, 0x1084, 0x1085, 0x1086, 0x1087, 0x1088, 0x1089, 0x108A],
    np.uint32,
)  # fmt: skip
_VIRAMA = 0x1039  # the visible killer in Zawgyi; in Unicode it stacks, and Shan stacks nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Code points start to end of a text, and the language there."""

    start: int
    end: int
    language: str
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Identified:
    """The main language of a text."""

    language: str  # BCP-47, `und` where there is no answer
    probability: float  # of the language within its script, times that script's share; 0 for `und`
    script: str  # ISO 15924 of most letters, "" where there are none
    spans: tuple[Span, ...] = ()  # in order, no gaps; white space and signs belong to the span before them


@functools.cache
def latin() -> Model:
    """The model for Latin script, read once."""
    return read_model(Path(__file__).parent, "identifier")


def identify(text: str) -> Identified:
    """Identify one text; see `identify_all`."""
    return identify_all([text])[0]


def identify_all(texts: Sequence[str], model: Model | None = None, *, spans: bool = True) -> list[Identified]:
    """Identify each text; many at once are far cheaper than one by one.

    At most the first 10,000 code points of a text are looked at; its last span reaches to its end all the same.

    Args:
        texts: any strings.
        model: in place of the shipped Latin model.
        spans: False leaves them out, which is quicker.

    Raises:
        InputError: the shipped model is missing or damaged.
    """
    chosen = model or latin()
    found: list[Identified] = []
    for some in _batches(texts):
        found += _Batch(some, chosen).answers(spans)
    return found


def _batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    start = points = 0
    for number, text in enumerate(texts):
        size = min(len(text), _LOOK)
        if number - start >= _TEXTS or (points and points + size > _POINTS):
            yield texts[start:number]
            start, points = number, 0
        points += size
    if start < len(texts):
        yield texts[start:]


class _Found(NamedTuple):
    """What is known of one text."""

    script: int  # that weighs most
    whole: float  # weight of all letters
    share: float  # of that script
    best: int  # label in Latin script
    chance: float  # of it, 0 below LEAST
    turning: bool  # more than one script, or language


class _Batch:
    """Texts that are worked on together."""

    def __init__(self, texts: Sequence[str], model: Model) -> None:
        self.texts, self.model = texts, model
        joined = join([text[:_LOOK] for text in texts])
        self.counts = _counts(joined)
        self.words = words(joined)
        self.weights = _weights(self.counts, joined, self.words)
        self.scores = model.scores(self.words)
        self.first = np.searchsorted(self.words.row, np.arange(len(texts) + 1))  # a text's words
        self.chances = self._chances()
        self.special = _special(joined)

    def _chances(self) -> Floats:
        sums = np.zeros((len(self.texts), len(self.model.labels)), np.float32)
        features = np.zeros(len(self.texts), np.int64)
        rows = np.flatnonzero(np.diff(self.first))
        if len(rows):
            sums[rows] = np.add.reduceat(self.scores.sums, self.first[rows], axis=0)
            features[rows] = np.add.reduceat(self.scores.features, self.first[rows])
        return softmax(self.model.logits(sums, features))

    def answers(self, spans: bool) -> list[Identified]:
        weights = self.weights
        main = weights.argmax(axis=1)
        rows = np.arange(len(main))
        whole = weights.sum(axis=1)
        share = weights[rows, main] / np.maximum(whole, 1e-9)
        best = self.chances.argmax(axis=1)
        chance = self.chances[rows, best]
        known = (chance * share >= LEAST) & (np.diff(self.first) > 0)
        several = (self.counts > 0).sum(axis=1) > 1
        turning = (several | restless(self.model, self.words, self.scores, best)) & (main == _LATIN)
        if spans:
            turning |= several
        chance = np.where(known, np.round(chance * share, 4), 0.0)
        columns = (main, whole, share, best, chance, turning)
        found = map(_Found, *(column.tolist() for column in columns))
        return [self._answer(row, one, spans) for row, one in enumerate(found)]

    def _answer(self, row: int, found: _Found, spans: bool) -> Identified:
        if not found.whole:
            return Identified(language=UNDETERMINED, probability=0.0, script="")
        chance = found.chance
        if found.script != _LATIN:
            language, sure = self._scripted(row, SCRIPTS[found.script])
            chance = round(sure * found.share, 4)
            language, chance = (language, chance) if chance >= LEAST else (UNDETERMINED, 0.0)
        else:
            language = self.model.labels[found.best] if chance else UNDETERMINED
        cut: tuple[Span, ...] = ()
        if found.turning:
            parts = self._parts(row, language)
            if found.script == _LATIN:
                language, chance = _main(parts, language, chance, found.share)
            cut = _joined(parts, len(self.texts[row])) if spans else ()
        elif spans:
            cut = (Span(start=0, end=len(self.texts[row]), language=language, probability=chance),)
        return Identified(language=language, probability=chance, script=SCRIPTS[found.script], spans=cut)

    def _scripted(self, row: int, script: str) -> tuple[str, float]:
        counts = self.counts[row]
        if script == "Mymr":
            return ("shn", 1.0) if self.special["shan"][row] else ("my", 1.0)
        if script == "Arab":
            return ("ms", _JAWI_CHANCE) if self.special["jawi"][row] else (UNDETERMINED, 0.0)
        if script == "Hani":
            kana = int(counts[_HIRA] + counts[_KATA])
            if kana > _KANA_SHARE * (kana + int(counts[_HANI])):
                return UNDETERMINED, 0.0
        language = _BY_SCRIPT.get(script, UNDETERMINED)
        return language, float(language != UNDETERMINED)

    def _parts(self, row: int, main: str) -> list[Part]:
        text = self.texts[row]
        here = slice(int(self.first[row]), int(self.first[row + 1]))
        if np.count_nonzero(self.counts[row]) == 1:
            return parts_of(self.model, self.words, self.scores, np.arange(here.start, here.stop), main)
        starts = self.words.start[here]
        parts: list[Part] = []
        for start, end, script in runs(text[:_LOOK]):
            if script != "Latn":
                parts.append(Part(start, *self._scripted(row, script)))
                continue
            inside = np.flatnonzero((starts >= start) & (starts < end)) + here.start
            if len(inside):
                found = parts_of(self.model, self.words, self.scores, inside, main)
                parts.append(found[0]._replace(start=start))
                parts += found[1:]
            elif not parts:
                parts.append(Part(start, UNDETERMINED, 0.0))
        return parts


def _main(parts: list[Part], language: str, chance: float, share: float) -> tuple[str, float]:
    """The language, of another family, that has more Latin letters than the one of the whole line, or that one."""
    letters: dict[str, int] = {}
    for part in parts:
        if part.letters:
            letters[part.language] = letters.get(part.language, 0) + part.letters
    most = max(letters, key=lambda tag: letters[tag], default=language)
    few = letters.get(most, 0) <= _MORE * letters.get(language, 0)
    if few or family(most) == family(language) or language not in letters:
        return language, chance
    sure = sum(part.letters * part.probability for part in parts if part.language == most)
    better = round(share * sure / sum(letters.values()), 4)
    return (most, better) if better >= LEAST else (language, chance)


def _joined(parts: list[Part], size: int) -> tuple[Span, ...]:
    """The parts as spans of a text of so many code points; neighbours of one language are one."""
    merged = [parts[n] for n in range(len(parts)) if not n or parts[n].language != parts[n - 1].language]
    ends = [*(part.start for part in merged[1:]), size]
    spans = []
    for number, (part, end) in enumerate(zip(merged, ends, strict=True)):
        known = part.probability >= LEAST
        spans.append(
            Span(
                start=part.start if number else 0,
                end=end,
                language=part.language if known else UNDETERMINED,
                probability=round(part.probability, 4) if known else 0.0,
            )
        )
    return tuple(spans)


def _counts(joined: Joined) -> npt.NDArray[np.int64]:
    """[texts, scripts] letters of each script; those of links and @names do not count."""
    scripts = joined.scripts
    if joined.silent is not None:
        scripts = np.where(joined.silent, np.int8(0), scripts)
    places = joined.rows.astype(np.int64) * len(SCRIPTS) + scripts
    counts = np.bincount(places, minlength=joined.texts * len(SCRIPTS)).reshape(joined.texts, len(SCRIPTS))
    counts[:, 0] = 0
    return np.asarray(counts, np.int64)


def _weights(counts: npt.NDArray[np.int64], joined: Joined, found: Words) -> npt.NDArray[np.float64]:
    """[texts, scripts] what the letters of each script weigh; kana is with Han."""
    weights = counts.astype(np.float64)
    weights[:, _HANI] = _HAN * weights[:, [_HANI, _HIRA, _KATA]].sum(axis=1)
    weights[:, [_HIRA, _KATA]] = 0
    weights[:, [SCRIPTS.index(script) for script in _BY_SCRIPT if script != "Hani"]] *= _OWN
    mixed = ((counts > 0).sum(axis=1) > 1) & (counts[:, _LATIN] > 0)
    if mixed.any():
        others = np.cumsum((joined.scripts > 0) & (joined.scripts != _LATIN))
        before = others[joined.bounds[found.row] + found.start]
        begins = ~found.follows | (np.diff(before, prepend=-1) != 0)
        run = np.cumsum(begins) - 1
        few = np.bincount(run)[run] <= _INSERTED_WORDS
        letters = np.bincount(found.row[few], found.length[few], minlength=len(counts))
        weights[:, _LATIN] -= np.where(mixed, (1 - _INSERTED) * letters, 0)
    return weights


def _special(joined: Joined) -> dict[str, npt.NDArray[np.bool_]]:
    """Which texts are Shan rather than Burmese, and Jawi rather than another language in Arabic script."""
    found = {}
    for name, script, own, share in (
        ("shan", _MYANMAR, _SHAN, _SHAN_SHARE),
        ("jawi", _ARABIC, _JAWI, _JAWI_SHARE),
    ):
        here = np.flatnonzero(joined.scripts == script)
        if not len(here):
            found[name] = np.zeros(joined.texts, np.bool_)
            continue
        row = np.searchsorted(joined.bounds, here, side="right") - 1
        points = joined.points[here]
        letters = np.bincount(row, minlength=joined.texts)
        theirs = np.bincount(row[np.isin(points, own)], minlength=joined.texts)
        stacked = np.bincount(row[points == _VIRAMA], minlength=joined.texts)
        found[name] = (theirs > share * letters) & (theirs > 4 * stacked)
    return found
