"""Golden cases: what a policy must decide, one JSON object a line.

{"policy": "sg", "judgement": {"levels": {"selfharm_risk": 1}}, "today": "2026-12-01", "expect": {"action": "help"}}

`judgement` holds fields of `Judgement`; those left out are those of a prompt in which nothing was found. A case with
`text` instead of `judgement` waits for a model: it runs where `run_cases` is given a judge.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from rumpun.errors import InputError, UsageError, nearest
from rumpun.guard.judgement import Judgement, Role
from rumpun.guard.policy.policy import Decision, Policy
from rumpun.guard.policy.vocabulary import FOLDER, Action, vocabulary
from rumpun.recipes import build

__all__ = ["Case", "Judge", "Report", "read_cases", "run_cases", "shipped_cases"]

Judge = Callable[[str, Role], Judgement]  # a text and who wrote it -> what the models say
_NOTHING: dict[str, Any] = {"role": "prompt", "language": "und", "sure": True, "harm": 0.0, "harm_level": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Expect:
    """What a decision must be."""

    action: Action
    rule: str = ""  # which rule must win; empty: any
    shows: tuple[str, ...] = ()  # pieces that the message must hold, such as numbers
    hides: tuple[str, ...] = ()  # pieces that it must not hold

    def misses(self, decision: Decision) -> str:
        """What differs, in words; empty where nothing does."""
        if decision.action != self.action:
            return f"expected {self.action}, got {decision.action} by {decision.rule or 'no rule'}"
        if self.rule and decision.rule != self.rule:
            return f"expected the rule {self.rule}, got {decision.rule or 'none'}"
        for piece in self.shows:
            if piece not in decision.message:
                return f"the message lacks '{piece}'"
        for piece in self.hides:
            if piece in decision.message:
                return f"the message shows '{piece}'"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One line of a file of cases."""

    policy: str = ""  # a policy's name, or the path of a tenant's file relative to this one
    judgement: dict[str, Any] = field(default_factory=dict)
    text: str = ""  # for a judge, instead of `judgement`
    role: Role = "prompt"  # of `text`
    contexts: tuple[str, ...] = ()
    language: str = ""  # of the message; empty: the judgement's
    enable: tuple[str, ...] = ()  # opt-in rules that are on
    today: str = ""  # YYYY-MM-DD; empty: the present day
    expect: _Expect | None = None
    about: str = ""  # what the case stands for
    where: str = ""  # file and line; filled in when read

    def check(self) -> None:
        """Refuse a case that says both what was found and what is to be looked at, or a day that is none."""
        if bool(self.text) == bool(self.judgement):
            raise ValueError("expected either judgement or text")
        if self.today:
            date.fromisoformat(self.today)

    @property
    def day(self) -> date | None:
        """The day on which the case happens."""
        return date.fromisoformat(self.today) if self.today else None

    def judged(self, judge: Judge | None = None) -> Judgement | None:
        """The judgement; of a text the judge's, and None where there is no judge."""
        if self.text:
            return judge(self.text, self.role) if judge else None
        made = build(Judgement, _NOTHING | self.judgement, f"{self.where}: judgement")
        known = list(vocabulary().categories)
        for category in made.levels:
            if category not in known:
                raise UsageError(
                    f"{self.where}: judgement.levels.{category}: no such category", nearest(category, known)
                )
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of a run."""

    passed: int
    failed: tuple[str, ...]  # one line a case: where, and what differs
    waiting: int  # cases of text without a judge


def shipped_cases() -> tuple[Path, ...]:
    """The files of golden cases beside the policies."""
    return tuple(sorted((FOLDER / "cases").glob("*.jsonl")))


def read_cases(paths: Iterable[Path]) -> list[Case]:
    """Read files of cases.

    Raises:
        InputError: a file cannot be read, or a line is not a JSON object.
        UsageError: an unknown key or a value of another type.
    """
    cases: list[Case] = []
    for path in paths:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})", "check the path") from error
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: not UTF-8", "save the file as UTF-8") from error
        for number, line in enumerate(lines, 1):
            if line.strip():
                where = f"{path}:{number}"
                cases.append(build(Case, _object(line, where) | {"where": where}, where))
    return cases


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not JSON ({error})", "one JSON object a line") from error
    if not isinstance(value, dict):
        raise InputError(f"{where}: a {type(value).__name__}", "one JSON object a line")
    return value


def run_cases(cases: Sequence[Case], judge: Judge | None = None) -> Report:
    """Decide each case and compare.

    Args:
        cases: as `read_cases` gives them.
        judge: judges the cases of text; without it they wait and are counted.

    Raises:
        UsageError: a case without policy or expectation, or with an unknown name in it.
    """
    policies: dict[tuple[str, tuple[str, ...]], Policy] = {}
    failed: list[str] = []
    waiting = 0
    for case in cases:
        if not case.policy or case.expect is None:
            raise UsageError(f"{case.where}: no policy or no expect", 'such as "expect": {"action": "help"}')
        judgement = case.judged(judge)
        if judgement is None:
            waiting += 1
            continue
        key = (_policy_of(case), case.enable)
        if key not in policies:
            policies[key] = Policy.load(*key)
        decision = policies[key].decide(
            judgement, contexts=case.contexts, language=case.language or None, today=case.day
        )
        missed = case.expect.misses(decision)
        if missed:
            failed.append(f"{case.where}: {case.policy}: {missed}")
    return Report(passed=len(cases) - len(failed) - waiting, failed=tuple(failed), waiting=waiting)


def _policy_of(case: Case) -> str:
    if not case.policy.endswith(".toml"):
        return case.policy
    return str(Path(case.where.rpartition(":")[0]).parent / case.policy)
