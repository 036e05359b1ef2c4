"""What a row must be to be read on: a reason for each refusal, in the order in which they are looked for."""

from collections.abc import Sequence

import numpy as np

from rumpun.corpus.languages import script
from rumpun.corpus.letters import CONTROL, LETTERS, REPLACEMENT, SCRIPTS, SPACE, Letters
from rumpun.corpus.params import BuildParams
from rumpun.records.licences import shippable

__all__ = ["refusals", "text_refusals"]


def text_refusals(letters: Letters, languages: Sequence[str], params: BuildParams) -> list[str]:
    """For each of N texts the reason why it is refused, or an empty string."""
    length = letters.ends - letters.starts
    solid = length - letters.count(letters.kinds == SPACE)
    control = letters.count(letters.kinds == CONTROL)
    broken = letters.count(letters.kinds == REPLACEMENT)
    counted = letters.letter_counts()
    own = np.zeros(len(length), dtype=np.int64)
    tags = np.array(list(languages), dtype=object)
    for tag in sorted({tag for tag in languages if tag}):
        here = tags == tag
        marks = letters.kinds == LETTERS + SCRIPTS.index(script(tag))
        own[here] = letters.count(marks)[here]
    common = letters.count(letters.kinds == LETTERS)  # marks and letters of no script of their own
    reasons: list[str] = []
    for n in range(len(length)):
        if solid[n] == 0:
            reasons.append("empty")
        elif broken[n]:
            reasons.append("replacement characters")
        elif control[n]:
            reasons.append("control characters")
        elif length[n] < params.min_characters:
            reasons.append("too short")
        elif counted[n] < params.min_letter_share * solid[n]:
            reasons.append("mostly symbols or digits")
        elif own[n] < params.min_script_share * (counted[n] - common[n]):
            reasons.append("wrong script")
        else:
            reasons.append("")
    return reasons


def refusals(rows: Sequence[dict[str, str]], letters: Letters, params: BuildParams) -> list[str]:
    """As `text_refusals`, with the row's language, licence and domain looked at first."""
    found = text_refusals(letters, [row["language"] for row in rows], params)
    for n, row in enumerate(rows):
        if not row["language"]:
            found[n] = "language not asked for"
        elif not shippable(row["licence"]):
            found[n] = "licence may not stand behind a shipped layer"
        elif row["domain"] in params.exclude_domains:
            found[n] = "domain is not running text"
    return found
