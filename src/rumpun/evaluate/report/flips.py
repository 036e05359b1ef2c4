"""What changed between two runs: the items that one answered right and the other wrong, or that failed in one of them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from rumpun.errors import InputError
from rumpun.evaluate.records import Sample
from rumpun.evaluate.report.numbers import number
from rumpun.evaluate.report.page import render
from rumpun.evaluate.report.shown import item_of, right, turns_of
from rumpun.evaluate.report.text import Clipped, clip, short
from rumpun.evaluate.report.view import in_order
from rumpun.language.tables import WORKING

__all__ = ["KINDS", "Compared", "Flip", "Kind", "compared", "flips", "flips_html", "flips_text"]

Kind = Literal["right to wrong", "wrong to right", "failed", "no longer failed"]
KINDS: tuple[Kind, ...] = ("right to wrong", "wrong to right", "failed", "no longer failed")
_TEXT = 600  # characters of each text on a terminal
_BUDGET = 2_000_000  # bytes of items on a page
_Key = tuple[str, str, str, int]


@dataclass(frozen=True, slots=True)
class Flip:
    """An item whose outcome is another in the second run."""

    kind: Kind
    a: Sample
    b: Sample

    @property
    def task(self) -> str:
        """Its task."""
        return self.a.task

    @property
    def language(self) -> str:
        """Its language."""
        return self.a.language

    @property
    def id(self) -> str:
        """Its name."""
        return self.a.id

    @property
    def run(self) -> int:
        """Which of several runs of the same questions."""
        return self.a.run

    @property
    def prompt(self) -> str:
        """What was asked in the first run, as one text; turns of a chat have their role before them."""
        return _prompt(self.a)

    @property
    def answers(self) -> tuple[str, str]:
        """What both said: as they wrote it, or the option they found likeliest; empty where there was no answer."""
        return _said(self.a), _said(self.b)

    @property
    def gold(self) -> tuple[str, ...]:
        """What is right."""
        gold = self.a.gold
        return tuple(gold) if isinstance(gold, list) else (gold,) if gold else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """How many items two runs could be compared on."""

    both: int  # that both have (same task, language, id and run)
    graded: int  # of those, with a grade or no score in one of them: they cannot flip
    first: int  # that the first alone has
    second: int

    @property
    def said(self) -> str:
        """In words."""
        parts = [f"{number(self.both)} items in both"]
        parts += (
            [f"{number(self.graded)} of them graded or without a score, which do not flip"]
            if self.graded
            else []
        )
        alone = ((self.first, "first"), (self.second, "second"))
        parts += [f"{number(count)} in the {which} alone" for count, which in alone if count]
        return ", ".join(parts)


def compared(a: Sequence[Sample], b: Sequence[Sample]) -> Compared:
    """What `flips` had to look at.

    Raises:
        InputError: a run has an item twice.
    """
    one, other = _by_key(a, "the first run"), _by_key(b, "the second run")
    both = one.keys() & other.keys()
    graded = sum(
        "error" not in (one[key].status, other[key].status) and None in (right(one[key]), right(other[key]))
        for key in both
    )
    return Compared(both=len(both), graded=graded, first=len(one) - len(both), second=len(other) - len(both))


def flips(a: Sequence[Sample], b: Sequence[Sample]) -> list[Flip]:
    """The items of both runs (same task, language, id and run) whose outcome differs, in the order of `a`.

    Right or wrong is an answer whose score is 1 or 0, or that has `exact` among its scores; graded answers, as translations
    have, do not flip. A sample with an error failed; an answer in which nothing was found is wrong.

    Raises:
        InputError: a run has an item twice.
    """
    others = _by_key(b, "the second run")
    found = []
    for key, sample in _by_key(a, "the first run").items():
        if (other := others.get(key)) is not None and (kind := _kind(sample, other)) is not None:
            found.append(Flip(kind, sample, other))
    return found


def _by_key(samples: Iterable[Sample], where: str) -> dict[_Key, Sample]:
    found: dict[_Key, Sample] = {}
    for sample in samples:
        key = (sample.task, sample.language, sample.id, sample.run)
        if key in found:
            raise InputError(
                f"{where} has item '{short(sample.id)}' of {short(sample.task)} in {short(sample.language)} twice",
                "name folders of one run each",
            )
        found[key] = sample
    return found


def _kind(a: Sample, b: Sample) -> Kind | None:
    if "error" in (a.status, b.status):
        return None if a.status == b.status else "failed" if b.status == "error" else "no longer failed"
    before, after = right(a), right(b)
    if before is None or after is None or before == after:
        return None
    return "right to wrong" if before else "wrong to right"


def _prompt(sample: Sample) -> str:
    return "\n\n".join(f"{role}: {text}" if role else text for role, text in turns_of(sample))


def _said(sample: Sample) -> str:
    return sample.answer if sample.answer is not None else sample.parsed or ""


def flips_text(
    found: Sequence[Flip],
    *,
    names: tuple[str, str] = ("a", "b"),
    both: Compared | None = None,
    limit: int = 20,
) -> str:
    """Flips for a terminal: how many of each kind, then some of each task and language, in their own script.

    What a model wrote cannot steer the terminal: controls are shown by their code points.

    Args:
        found: the flips.
        names: of the two runs.
        both: how many items were looked at.
        limit: how many of each kind are shown.
    """
    first, second = (short(name) for name in names)
    lines = [f"{first} → {second}: {_counted(found) or 'no item flipped'}"]
    lines += [f"  {both.said}"] if both else []
    by: dict[str, list[Flip]] = {}
    for flip in found:
        by.setdefault(flip.task, []).append(flip)
    lines += [f"  {short(task)}: {_counted(own)}" for task, own in by.items()]
    shown = [flip for kind in KINDS for flip in _spread([one for one in found if one.kind == kind], limit)]
    for flip in shown:
        run = f", run {flip.run}" if flip.run else ""
        lines += ["", f"{flip.kind}: {short(flip.task)} {short(flip.language)} {short(flip.id)}{run}"]
        lines += _block("asked", flip.prompt or " / ".join(flip.a.options))
        if _prompt(flip.b) != flip.prompt:
            lines += _block(f"asked by {second}", _prompt(flip.b))
        for name, sample, said in zip((first, second), (flip.a, flip.b), flip.answers, strict=True):
            lines += _block(
                name, f"error: {sample.error}" if sample.status == "error" else said or "(nothing)"
            )
        lines += _block("right", " / ".join(flip.gold))
        if flip.a.gold != flip.b.gold:
            gold = flip.b.gold if isinstance(flip.b.gold, list) else [flip.b.gold]
            lines += _block(f"right in {second}", " / ".join(gold))
    if len(found) > len(shown):
        lines += ["", f"{number(len(found) - len(shown))} more are not shown"]
    return "\n".join(lines)


def _counted(found: Iterable[Flip]) -> str:
    counts = Counter(flip.kind for flip in found)
    return ", ".join(f"{counts[kind]} {kind}" for kind in KINDS if counts[kind])


def _spread(found: Sequence[Flip], most: int) -> list[Flip]:
    """The first of each task and language, then the second of each, until there are enough; in their own order."""
    met: Counter[tuple[str, str]] = Counter()
    turns = []
    for place, flip in enumerate(found):
        turns.append((met[flip.task, flip.language], place))
        met[flip.task, flip.language] += 1
    return [found[place] for place in sorted(place for _, place in sorted(turns)[:most])]


def _whole(text: Clipped) -> str:
    return f"{text.head} [… {number(text.left)} characters more …] {text.tail}" if text.left else text.head


def _block(name: str, text: str) -> list[str]:
    """A text below its name, each line set in."""
    lines = _whole(clip(text, _TEXT)).replace("\t", " ").split("\n")
    return [f"  {name}:", *(f"    {line}" for line in lines if line.strip())]


def flips_html(
    found: Sequence[Flip], *, names: tuple[str, str] = ("a", "b"), both: Compared | None = None
) -> str:
    """Flips as a page: how many in each task and language, then the items, as many as there is room for.

    Args:
        found: the flips.
        names: of the two runs.
        both: how many items were looked at.
    """
    by: dict[str, dict[str, list[Flip]]] = {}
    for flip in found:
        by.setdefault(flip.task, {}).setdefault(flip.language, []).append(flip)
    names = (short(names[0]), short(names[1]))
    room, shown, left = _BUDGET, [], 0
    counts = []
    for task, languages in by.items():
        groups = []
        for language in in_order(languages, WORKING):
            own = languages[language]
            kinds = Counter(flip.kind for flip in own)
            counts.append((task, language, [kinds[kind] for kind in KINDS]))
            items = []
            for flip in own:
                item = item_of([flip.a, flip.b], names)
                asked = clip(_prompt(flip.b), _TEXT) if _prompt(flip.b) != flip.prompt else None
                if (room := room - item.size) > 0:
                    items.append((flip.kind, item, asked))
            left += len(own) - len(items)
            groups.append((language, items))
        shown.append((task, groups))
    whole = Counter(flip.kind for flip in found)
    return render(
        "flips.html.jinja",
        names=names,
        both=both.said if both else "",
        kinds=KINDS,
        whole=[whole[kind] for kind in KINDS],
        counts=counts,
        shown=shown,
        left=left,
    )
