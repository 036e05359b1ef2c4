"""The guard as the service uses it: what of a conversation is checked, and refusals in the language seen."""

import functools
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rumpun.guard import Guard, Verdict

__all__ = ["check_answer", "check_prompt", "language_of", "public", "refusal"]


def check_prompt(guard: "Guard", asked: Sequence[str], sent: Sequence[str] = ()) -> "Verdict | None":
    """A verdict on what a client sent; None when that is nothing.

    The last thing asked is looked at alone, so that a long conversation does not drown it, the user's turns together, so
    that a question spread over several is seen, and everything `sent`, turns of other roles included, since a client
    writes those too. The verdict with the higher score stands, a flagged one first.
    """
    texts = [text for text in asked if text.strip()]
    whole = [text for text in sent if text.strip()]
    parts = list(dict.fromkeys([*texts[-1:], "\n".join(texts), "\n".join(whole)]))
    parts = [part for part in parts if part]
    if not parts:
        return None
    last, *more = guard.check(parts, role="prompt")
    return max([last, *more], key=lambda verdict: (verdict.flagged, verdict.score))


def check_answer(guard: "Guard", text: str) -> "Verdict | None":
    """A verdict on a whole answer; None when it is empty."""
    return guard.check([text], role="answer")[0] if text.strip() else None


def public(verdict: "Verdict | None") -> dict[str, Any] | None:
    """A verdict as the extension field shows it."""
    if verdict is None:
        return None
    return verdict.plain()


def language_of(text: str) -> str:
    """The language seen in a text, or "und"."""
    if not text.strip():
        return "und"
    from rumpun.language import identify

    return identify(text[:2000]).language


@functools.cache
def _refusals() -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for path in sorted((Path(__file__).parent / "refusals").glob("*.toml")):
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        for tag in (path.stem, *table.get("also_for", ())):
            found[tag] = (table["text"], path.stem)
    return found


def refusal(language: str) -> tuple[str, str]:
    """The polite refusal in a language (BCP-47) and the language it is in.

    Where there is none in that language, one in its country's common language, or English.
    """
    texts = _refusals()
    return texts.get(language) or texts.get(language.partition("-")[0]) or texts["en"]
