"""A few items of each task and language, as they were put and answered, within a budget of bytes."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from rumpun.evaluate.records import Sample
from rumpun.evaluate.report.numbers import finite, number
from rumpun.evaluate.report.text import Clipped, clip, short
from rumpun.evaluate.report.view import in_order

__all__ = ["Group", "Item", "Shown", "item_of", "right", "shown_items", "turns_of"]

_EACH = 5  # items of a task and language
_BUDGET = 2_200_000  # bytes of all items: with everything else a page stays under 3 MB
_FRAME = 1_100  # bytes of markup of an item, about; of an option
_FRAME_OPTION = 260
_PROMPT, _TURNS, _ANSWER, _SHORT = 1_500, 8, 800, 400  # characters; turns of a chat
_OPTIONS, _REFERENCES = 12, 4
_COUNTED = "count"  # the method of bits and tokens: there is no answer to show


@dataclass(frozen=True, slots=True)
class Option:
    """What could be chosen."""

    text: Clipped
    gold: bool
    chosen: tuple[str, ...]  # the models that chose it
    nats: tuple[tuple[str, str], ...]  # of each of the item's `scored`: its log-probability and tokens


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one model."""

    model: str
    verdict: Literal["right", "wrong", "graded", "failed", "unscored"]
    score: str  # of a graded answer
    status: str  # what went wrong on the way; empty where nothing did
    text: Clipped | None  # as written; None where options were scored
    parsed: Clipped | None  # what was read out of it, where it is not among the options


@dataclass(frozen=True, slots=True)
class Item:
    """One item and what the models made of it."""

    task: str
    language: str
    id: str
    turns: tuple[tuple[str, Clipped], ...]  # role (empty for a text to go on from) and text
    turns_left: int
    options: tuple[Option, ...]
    options_left: int
    scored: tuple[str, ...]  # the models that scored the options
    gold: tuple[Clipped, ...]  # where it is not among the options
    gold_left: int
    answers: tuple[Answer, ...]

    @property
    def size(self) -> int:
        """Bytes in a page, about."""
        texts = [text for _, text in self.turns] + [option.text for option in self.options] + list(self.gold)
        texts += [
            text for answer in self.answers for text in (answer.text, answer.parsed) if text is not None
        ]
        named = 6 * sum(_bytes(Clipped(answer.model)) for answer in self.answers)
        return _FRAME + named + _FRAME_OPTION * len(self.options) + sum(map(_bytes, texts))


@dataclass(frozen=True, slots=True)
class Group:
    """Items of one task in one language."""

    task: str
    language: str
    items: tuple[Item, ...]
    whole: int  # how many the run has


@dataclass(frozen=True, slots=True)
class Shown:
    """All that is shown."""

    tasks: tuple[tuple[str, tuple[Group, ...]], ...]
    each: int  # items of a task and language at most
    groups_left: int  # tasks and languages that the budget had no room for


def shown_items(
    samples: Sequence[Sample],
    against: Sequence[Sample],
    names: Sequence[str],
    tasks: Sequence[str],
    languages: Sequence[str],
    *,
    budget: int = _BUDGET,
) -> Shown:
    """Items drawn by a hash of their names, the same in every run: none is shown for how it looks.

    Args:
        samples: of the model; items of the first run are shown, and none of which only bits or tokens were counted.
        against: of the other model.
        names: of the two.
        tasks: their order.
        languages: their order.
        budget: bytes; fewer items of each task are shown where they would not fit, and at last fewer tasks.
    """
    others = {(s.task, s.language, s.id, s.run): s for s in against}
    by: dict[str, dict[str, dict[str, Sample]]] = defaultdict(lambda: defaultdict(dict))
    for sample in samples:
        if sample.method != _COUNTED:
            kept = by[sample.task][sample.language].setdefault(sample.id, sample)
            if sample.run < kept.run:
                by[sample.task][sample.language][sample.id] = sample
    groups = []
    for task in in_order(by, tasks):
        for language in in_order(by[task], languages):
            own = sorted(by[task][language].values(), key=_draw)
            items = tuple(_item(sample, others, names) for sample in own[:_EACH])
            groups.append(Group(task, language, items, len(own)))
    each = next((n for n in range(_EACH, 1, -1) if _size(groups, n) <= budget), 1)
    kept_groups: list[Group] = []
    room = budget
    for group in groups:
        cut = Group(group.task, group.language, group.items[:each], group.whole)
        if (room := room - _size([cut], each)) < 0:
            break
        kept_groups.append(cut)
    tables: dict[str, list[Group]] = {}
    for group in kept_groups:
        tables.setdefault(group.task, []).append(group)
    return Shown(
        tuple((task, tuple(own)) for task, own in tables.items()), each, len(groups) - len(kept_groups)
    )


def _draw(sample: Sample) -> bytes:
    name = f"{sample.task}\0{sample.language}\0{sample.id}"
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _item(sample: Sample, others: dict[tuple[str, str, str, int], Sample], names: Sequence[str]) -> Item:
    other = others.get((sample.task, sample.language, sample.id, sample.run))
    return item_of([sample] if other is None else [sample, other], names)


def _size(groups: Iterable[Group], each: int) -> int:
    return sum(item.size for group in groups for item in group.items[:each])


def _bytes(text: Clipped) -> int:
    import markupsafe

    return sum(len(markupsafe.escape(part).encode()) for part in (text.head, text.tail))


def right(sample: Sample) -> bool | None:
    """Whether an answer is right: its score is 0 or 1, or `exact` is among its scores; None where it is graded or failed."""
    score = finite(sample.scores.get("exact", sample.score)) if sample.status != "error" else None
    return score == 1.0 if score in (0.0, 1.0) else None


def turns_of(sample: Sample) -> list[tuple[str, str]]:
    """The prompt as turns of role and text; the role is empty where the prompt is a text to go on from."""
    if isinstance(sample.prompt, str):
        return [("", sample.prompt)] if sample.prompt else []
    return [(str(turn.get("role", "")), str(turn.get("content", ""))) for turn in sample.prompt]


def item_of(samples: Sequence[Sample], names: Sequence[str]) -> Item:
    """One item for showing.

    Args:
        samples: of each model, one at least; prompt, options and right answer are taken from the first.
        names: of the models, as many at least.
    """
    first = samples[0]
    turns = turns_of(first)
    gold = first.gold if isinstance(first.gold, list) else [first.gold] if first.gold else []
    among = any(one in first.options for one in gold)
    shown_gold = [] if among else gold
    scored = [(name, sample) for name, sample in zip(names, samples, strict=False) if sample.logprobs]
    return Item(
        task=first.task, language=first.language, id=short(first.id),
        turns=tuple((clip(role, 40).head, clip(text, _PROMPT)) for role, text in turns[-_TURNS:]),
        turns_left=max(0, len(turns) - _TURNS),
        options=tuple(
            Option(
                text=clip(text, _SHORT),
                gold=text in gold,
                chosen=tuple(name for name, s in zip(names, samples, strict=False) if s.parsed == text),
                nats=tuple(_nats(sample, text) for _, sample in scored),
            )
            for text in first.options[:_OPTIONS]
        ),
        options_left=max(0, len(first.options) - _OPTIONS),
        scored=tuple(name for name, _ in scored) if first.options else (),
        gold=tuple(clip(one, _SHORT) for one in shown_gold[:_REFERENCES]),
        gold_left=max(0, len(shown_gold) - _REFERENCES),
        answers=tuple(_answer(name, sample) for name, sample in zip(names, samples, strict=False)),
    )  # fmt: skip


def _nats(sample: Sample, text: str) -> tuple[str, str]:
    """An option's log-probability and tokens, as they are shown; empty where the model was shown other options."""
    at = sample.options.index(text) if text in sample.options else len(sample.logprobs)
    nats = number(sample.logprobs[at], 2) if at < len(sample.logprobs) else ""
    return nats, number(sample.tokens[at]) if nats and at < len(sample.tokens) else ""


def _answer(model: str, sample: Sample) -> Answer:
    verdict: Literal["right", "wrong", "graded", "failed", "unscored"]
    told = right(sample)
    if told is None:
        verdict = (
            "failed" if sample.status == "error" else "unscored" if finite(sample.score) is None else "graded"
        )
    else:
        verdict = "right" if told else "wrong"
    said = {
        "no answer found": "no answer found in it",
        "truncated": "cut off at the limit of tokens",
        "ok": "",
    }
    status = said.get(sample.status) if sample.status != "error" else f"error: {clip(sample.error, 300).head}"
    parsed = sample.parsed if sample.parsed is not None and sample.parsed not in sample.options else None
    return Answer(
        model=model,
        verdict=verdict,
        score=number(sample.score, 3) if verdict == "graded" else "",
        status=status or "",
        text=clip(sample.answer, _ANSWER) if sample.answer is not None else None,
        parsed=clip(parsed, _SHORT) if parsed is not None and parsed != sample.answer else None,
    )
