"""What the models say of a text, before any policy speaks: probabilities and levels, nothing decided."""

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["LEVELS", "POINTS", "ROLES", "Judgement", "Level", "Point", "Role"]

Role = Literal["prompt", "answer"]
ROLES: tuple[Role, ...] = ("prompt", "answer")
Level = Literal[0, 1, 2]  # nothing found; of concern; serious. Level 2 implies level 1
LEVELS: tuple[Level, ...] = (0, 1, 2)
Point = Literal[
    "strict", "balanced", "permissive"
]  # operating points, by how many safe texts they may disturb
POINTS: tuple[Point, ...] = ("strict", "balanced", "permissive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The models' word on one text (or on several turns taken together)."""

    role: Role
    language: str  # BCP-47, "und" where it is unknown
    sure: bool  # whether the language is known well enough for its own thresholds
    harm: float  # 0 to 1: ranks texts by harm, whatever the category
    harm_level: Level  # of `harm`, at the operating point
    probabilities: dict[str, float] = field(
        default_factory=dict
    )  # category or signal -> 0 to 1; those with a head
    levels: dict[str, Level] = field(
        default_factory=dict
    )  # category or signal -> level at the operating point
    rules: dict[str, str] = field(
        default_factory=dict
    )  # category -> which rule of words set its level, where one did
    second: bool | None = (
        None  # the second stage's word: harmful or not; None where it was not asked, or gave none
    )
    asked: bool = False  # whether the second stage was asked
