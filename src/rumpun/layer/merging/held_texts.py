"""Texts that a sweep measures on: lines {"text": …, "language": …} of a file, or the held-out rows of a corpus."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rumpun.errors import InputError

__all__ = ["HeldText", "read_held", "shared_out"]


@dataclass(frozen=True, slots=True)
class HeldText:
    """One document, measured alone."""

    text: str
    language: str  # BCP-47


def read_held(place: Path, documents_max: int, seed: int) -> list[HeldText]:
    """At most so many texts of each language: those whose text hashes lowest with the seed.

    Raises:
        InputError: nothing there, or a line that is not as it should be; file and line are named.
    """
    texts = _held_out(place) if place.is_dir() else _lines(place)
    if not texts:
        raise InputError(f"{place}: no text in it", 'write lines {"text": "…", "language": "th"}')
    found: list[HeldText] = []
    for tag in sorted({text.language for text in texts}):
        mine = sorted((t for t in texts if t.language == tag), key=lambda text: _order(text, seed))
        found += mine[:documents_max]
    return found


def shared_out(
    texts: Sequence[HeldText], report_share: float, seed: int
) -> tuple[list[HeldText], list[HeldText]]:
    """(texts to choose on, texts to report on): the share is taken of each language; one lone text is for choosing."""
    choose: list[HeldText] = []
    report: list[HeldText] = []
    for tag in dict.fromkeys(text.language for text in texts):
        mine = sorted((t for t in texts if t.language == tag), key=lambda text: _order(text, seed + 1))
        end = max(1, round(len(mine) * (1 - report_share)))
        choose += mine[:end]
        report += mine[end:]
    return choose, report


def _order(text: HeldText, seed: int) -> str:
    return hashlib.blake2b(f"{seed}:{text.text}".encode(), digest_size=16).hexdigest()


def _lines(path: Path) -> list[HeldText]:
    from rumpun.language.lines import lines_of

    found = []
    for name, first, lines in lines_of([path]):
        for number, line in enumerate(lines, first):
            if line.strip():
                found.append(_text(line, f"{name}:{number}"))
    return found


def _text(line: str, where: str) -> HeldText:
    try:
        row = json.loads(line)
        text, language = row["text"], row["language"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{where}: no object with text and language ({type(error).__name__}: {error})",
            'write {"text": "…", "language": "th"}',
        ) from error
    if not isinstance(text, str) or not isinstance(language, str) or not text:
        raise InputError(f"{where}: text or language is empty or no string", "drop or mend the line")
    return HeldText(text, language)


def _held_out(corpus: Path) -> list[HeldText]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = []
    for shard in sorted((corpus / "heldout").glob("*.parquet")):
        try:
            rows = pq.read_table(shard, columns=["text", "language"]).to_pylist()
        except (pa.ArrowException, KeyError, OSError) as error:
            raise InputError(
                f"{shard}: not a shard of documents ({error})", "make the corpus again"
            ) from error
        found += [HeldText(row["text"], row["language"]) for row in rows if row["text"]]
    return found
