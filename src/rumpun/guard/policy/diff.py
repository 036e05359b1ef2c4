"""Which decisions change from one policy to another, over a sample of judgements."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from rumpun.guard.judgement import ROLES, Judgement
from rumpun.guard.policy.cases import read_cases
from rumpun.guard.policy.policy import Policy
from rumpun.guard.policy.vocabulary import ANY, HARM, vocabulary

__all__ = ["Change", "Diff", "Sampled", "combinations", "diff", "read_sample"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """One judgement to decide on."""

    name: str  # "hate 2 prompt news", or file and line
    judgement: Judgement
    contexts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One judgement that is decided differently."""

    name: str
    before: str  # the action
    after: str
    before_rule: str
    after_rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """What a change of policy does."""

    cases: int
    counts: dict[str, int]  # "care -> block" -> how many
    rows: tuple[Change, ...]
    other_rule: int  # decided alike, by another rule
    other_words: int  # decided alike, with another message, such as other help lines


def combinations() -> Iterator[Sampled]:
    """Every category at every level above 0, in every role and context, one at a time."""
    for category in vocabulary().categories:
        for level in (1, 2):
            for role in ROLES:
                judgement = Judgement(
                    role=role,
                    language="und",
                    sure=True,
                    harm=0.0,
                    harm_level=level if category == HARM else 0,
                    levels={} if category == HARM else {category: level},
                )
                for context in (ANY, *vocabulary().contexts):
                    yield Sampled(
                        name=f"{category} {level} {role} {context}",
                        judgement=judgement,
                        contexts=() if context == ANY else (context,),
                    )


def read_sample(path: Path) -> list[Sampled]:
    """Judgements out of a file of cases; what the cases expect is not looked at, cases of text are left out.

    Raises:
        InputError: the file cannot be read, or a line is not a JSON object.
        UsageError: an unknown key or category, or a value of another type.
    """
    judged = [(case, case.judged()) for case in read_cases([path])]
    return [
        Sampled(name=case.where, judgement=judgement, contexts=case.contexts)
        for case, judgement in judged
        if judgement is not None
    ]


def diff(before: Policy, after: Policy, sample: Iterable[Sampled], today: date | None = None) -> Diff:
    """Decide each judgement of the sample by both policies."""
    rows: list[Change] = []
    cases = other_rule = other_words = 0
    for one in sample:
        first = before.decide(one.judgement, contexts=one.contexts, today=today)
        second = after.decide(one.judgement, contexts=one.contexts, today=today)
        cases += 1
        if first.action != second.action:
            rows.append(
                Change(
                    name=one.name,
                    before=first.action,
                    after=second.action,
                    before_rule=first.rule,
                    after_rule=second.rule,
                )
            )
            continue
        other_rule += first.rule != second.rule
        other_words += first.message != second.message
    counts = Counter(f"{row.before} -> {row.after}" for row in rows)
    return Diff(
        cases=cases,
        counts=dict(sorted(counts.items())),
        rows=tuple(rows),
        other_rule=other_rule,
        other_words=other_words,
    )
