"""What is found, and what a recogniser proposes before it is settled."""

from dataclasses import dataclass

__all__ = ["MASK_AT", "Candidate", "Found"]

MASK_AT = 0.6  # the score from which a candidate counts as found


@dataclass(frozen=True, slots=True)
class Found:
    """Personal data in a text."""

    type: str  # "MY_NRIC", "PHONE", "EMAIL" …: what a tag mask shows
    start: int  # code points of the original text
    end: int  # one past the last
    score: float  # 0 to 1: base + check + layout + context
    country: str  # "my", or "" where it belongs to none
    reason: str  # what made the score, in words


@dataclass(slots=True)
class Candidate:
    """A place that may be personal data."""

    type: str
    start: int
    end: int
    score: float
    country: str
    reasons: list[str]
    value: str = ""  # digits and letters without separators: the same value elsewhere is the same thing
    loose: bool = False  # its length fits, its layout does not: what else is found there is preferred
    key: str = ""  # whose words of context count
    needs_context: bool = False
    named: bool = False  # a word beside it says what it is: preferred to readings that no word speaks for
    rank: int = 0  # of two that score alike the lower comes first: the country's place among those asked for

    def found(self) -> Found:
        """The same, settled."""
        return Found(
            self.type,
            self.start,
            self.end,
            round(min(self.score, 0.99), 3),
            self.country,
            "; ".join(self.reasons),
        )
