"""Reading an answer out of a response, before any metric.

The patterns are SEA-HELM's: tag and labels stand in them unescaped, the first match anywhere in the response decides, and
a response without a match is taken whole.
"""

import re
import string
from collections.abc import Sequence

__all__ = ["LINE", "NULL", "Labels", "extract", "tidy"]

NULL = "null"  # what SEA-HELM writes for an answer that is none of the labels
LINE = r"[\s\r\n`*]*(.*)"  # after the tag: the rest of one line; only a line feed ends it
_ENDS = string.punctuation + " \n"


def extract(pattern: str, response: str, flags: re.RegexFlag = re.NOFLAG) -> tuple[str, bool]:
    """The first group of the first match, stripped, and whether there was one; else the whole response, stripped.

    A pattern that cannot be compiled (a label with a lone bracket) never matches.
    """
    try:
        match = re.search(pattern, response, flags)
    except re.error:
        match = None
    found = None if match is None else match[1]
    return (response if found is None else found).strip(), found is not None


def tidy(answer: str) -> str:
    """Lower-case; ASCII punctuation, spaces and line feeds off both ends; white space made single spaces."""
    return " ".join(answer.lower().strip(_ENDS).split())


class Labels:
    """The labels of the rows that were loaded, and how an answer is read as one of them.

    SEA-HELM tries the labels in the order of a Python set, which changes from run to run; here it is the order of first
    appearance. The two differ only where one label begins another (`ordered` is then true), or where labels are the same
    in lower case: the last then stands for all of them.
    """

    def __init__(self, tag: str, gold: Sequence[str], *, often: str, flags: re.RegexFlag) -> None:
        """Make the pattern.

        Args:
            tag: what stands before the answer.
            gold: the right answer of every row.
            often: "+" where a label must follow the tag, "*" where it may be missing.
            flags: of the pattern.
        """
        self.known = tuple(dict.fromkeys(gold))
        self.by_lower = {label.lower(): label for label in self.known}
        self.ordered = any(a != b and b.lower().startswith(a.lower()) for a in self.known for b in self.known)
        self._pattern = rf"{tag}[\s\*]*({'|'.join(self.known)}){often}"
        self._flags = flags

    def read(self, response: str) -> str:
        """The label of a response, or `NULL`."""
        return self.by_lower.get(tidy(extract(self._pattern, response, self._flags)[0]), NULL)

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong with reading labels so."""
        found: tuple[str, ...] = (
            "No word boundary is asked for after a label: «Bad» is read as D where the labels are A to D.",
            "The first answer tag decides, whatever is said after it.",
            "The last of several labels written together counts: «AB» is read as B.",
            "Labels and chance level come from the rows that were loaded, so a part of the rows has other ones.",
            "A label in brackets, back-ticks or native punctuation is read as no answer.",
        )
        if self.ordered:
            found += (
                "One label begins another, or equals it in lower case: SEA-HELM's order of trying them changes from run to run; here it is that of the rows.",
            )
        return found
