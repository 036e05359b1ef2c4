"""What one side of a pair must be: a reason for each refusal, in the order in which they are looked for."""

from collections.abc import Sequence

import numpy as np

from rumpun.corpus.chat.params import ChatParams
from rumpun.corpus.languages import scripts
from rumpun.corpus.letters import CONTROL, LETTERS, REPLACEMENT, SCRIPTS, SPACE, Int, Letters

__all__ = ["text_refusals"]

_HAN_WEIGHT = 3  # one Han letter says about what three letters of an alphabet say


def _own_and_all(letters: Letters, languages: Sequence[str]) -> tuple[Int, Int]:
    """[N] letters in the language's own scripts, and letters in any script; Han letters count as three."""
    han = letters.count(letters.kinds == LETTERS + SCRIPTS.index("Hani"))
    common = letters.count(letters.kinds == LETTERS)  # marks and letters of no script of their own
    own = np.zeros(len(han), dtype=np.int64)
    tags = np.array(list(languages), dtype=object)
    for tag in sorted({tag for tag in languages if tag}):
        here = tags == tag
        for name in scripts(tag):
            if name in SCRIPTS:
                weight = _HAN_WEIGHT if name == "Hani" else 1
                own[here] += weight * letters.count(letters.kinds == LETTERS + SCRIPTS.index(name))[here]
    return own, letters.letter_counts() - common + (_HAN_WEIGHT - 1) * han


def text_refusals(letters: Letters, languages: Sequence[str], params: ChatParams) -> list[str]:
    """For each of N texts the reason why it is refused, or an empty string."""
    length = letters.ends - letters.starts
    solid = length - letters.count(letters.kinds == SPACE)
    own, scripted = _own_and_all(letters, languages)
    tests = (  # the first that holds is the reason
        (solid == 0, "empty"),
        (letters.count(letters.kinds == REPLACEMENT) > 0, "replacement characters"),
        (letters.count(letters.kinds == CONTROL) > 0, "control characters"),
        (length < params.min_characters, "too short"),
        (letters.letter_counts() < params.min_letter_share * solid, "mostly symbols or digits"),
        (own < params.min_script_share * scripted, "wrong script"),
    )
    reasons = np.select([holds for holds, _ in tests], list(range(1, len(tests) + 1)), default=0)
    names = ["", *(reason for _, reason in tests)]
    return [names[n] for n in reasons.tolist()]
