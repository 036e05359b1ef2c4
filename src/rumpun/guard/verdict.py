"""What the guard says of one text under a policy."""

from dataclasses import dataclass, field
from typing import Any

from rumpun.guard.judgement import Judgement, Level, Point, Role
from rumpun.guard.policy import Decision

__all__ = ["Verdict"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A judgement and the decision that a policy made of it."""

    judgement: Judgement
    decision: Decision
    policy: str
    point: Point
    read: float = 1.0  # share of the text's windows that the encoder read; below 1 only in very long texts
    facts: dict[str, Any] = field(default_factory=dict)  # for those that add something: the stream

    @property
    def flagged(self) -> bool:
        """Whether harm reaches the point's threshold and the policy blocks: nothing milder sets it."""
        return self.decision.flagged

    @property
    def score(self) -> float:
        """0 to 1: ranks texts by harm, whatever the policy."""
        return self.judgement.harm

    @property
    def level(self) -> Level:
        """The highest level among harms."""
        return self.judgement.harm_level

    @property
    def language(self) -> str:
        """BCP-47, as identified."""
        return self.judgement.language

    @property
    def role(self) -> Role:
        """Who wrote the text."""
        return self.judgement.role

    @property
    def action(self) -> str:
        """allow, care, help or block."""
        return self.decision.action

    @property
    def message(self) -> str:
        """What to tell the person; empty where nothing is to be said."""
        return self.decision.message

    @property
    def categories(self) -> tuple[str, ...]:
        """Categories and signals at level 1 or above."""
        return tuple(name for name, level in self.judgement.levels.items() if level)

    def plain(self) -> dict[str, Any]:
        """The verdict as one JSON object."""
        judgement, decision = self.judgement, self.decision
        found: dict[str, Any] = {
            "flagged": self.flagged,
            "score": round(judgement.harm, 4),
            "level": judgement.harm_level,
            "categories": {
                name: {
                    "score": round(judgement.probabilities.get(name, float(bool(level))), 4),
                    "level": level,
                }
                for name, level in judgement.levels.items()
            },
            "language": judgement.language,
            "language_sure": judgement.sure,
            "role": judgement.role,
            "action": decision.action,
            "message": decision.message,
            "category": decision.category,
            "rule": decision.rule,
            "reason": decision.reason,
            "policy": self.policy,
            "point": self.point,
        }
        if judgement.rules:
            found["by_words"] = judgement.rules
        if judgement.asked:
            found["second"] = {True: "harmful", False: "harmless", None: "no word"}[judgement.second]
        if self.read < 1:
            found["read"] = round(self.read, 4)
        return found | self.facts
