"""Running text as safe rows: sentences and questions that nobody wrote for a guard, of the files that a recipe names.

News tells of murder, an exam asks about war, a dictionary has hard words: a guard that flags them is of no use. Such
text is safe by where it comes from. It is kept apart by source: what is fitted, what thresholds are chosen on, what is
measured.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rumpun.errors import InputError
from rumpun.guard.rows import Row, Rows, Use, table_of
from rumpun.language import split

__all__ = ["Ordinary", "read_ordinary"]

_LENGTHS = (15, 400)  # characters of a sentence that is taken; windows are longer
_SHORT_SCRIPTS = {"zh": 6}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordinary:
    """How sentences are taken from one file, or from files of one pattern."""

    files: str  # pattern in the data folder
    use: Use
    columns: dict[str, str] = field(
        default_factory=lambda: {"text": "language"}
    )  # of text -> of its language
    languages: tuple[str, ...] = ()  # only these; all where empty
    sentences_max: int = 250  # of a language
    whole: bool = False  # each cell is one row: a question is not cut

    def check(self) -> None:
        """Refuse what cannot be meant."""
        if self.sentences_max < 1:
            raise ValueError(f"sentences_max = {self.sentences_max}: expected 1 or more")

    def paths(self, folder: Path) -> list[Path]:
        """The files, in order.

        Raises:
            InputError: there is none.
        """
        if found := sorted(folder.glob(self.files)):
            return found
        raise InputError(f"{folder}: no file like '{self.files}'", "fetch the data again, or mend the recipe")


def read_ordinary(folder: Path, named: Mapping[str, Ordinary], taken: Rows) -> Rows:
    """Safe rows of each name, at most `sentences_max` a language, drawn by the text's own hash.

    Args:
        folder: the data folder.
        named: name of the source -> how it is read.
        taken: rows read before; a text that is among them is left out and counted.

    Raises:
        InputError: a pattern without files, or a file without the columns.
        MissingPartError: pyarrow is not installed.
    """
    rows = Rows()
    seen = {row.text for row in taken.rows}
    for name, how in named.items():
        drawn: dict[str, list[tuple[bytes, dict[str, Any], str]]] = {}
        for row, language, text in _sentences(folder, how, rows.dropped):
            if text in seen:
                rows.dropped[f"{name}: the same text again"] += 1
                continue
            seen.add(text)
            rank = hashlib.blake2b(text.encode(), digest_size=8).digest()
            drawn.setdefault(language, []).append((rank, row, text))
        for language, found in sorted(drawn.items()):
            for _, row, text in sorted(found, key=lambda one: one[0])[: how.sentences_max]:
                rows.add(
                    Row(
                        text=text, language=language, source=name, licence=str(row["licence"]), unsafe=False,
                        use=how.use, url=str(row.get("url") or ""), id=str(row.get("id") or ""),
                    )
                )  # fmt: skip
    return rows


def _sentences(
    folder: Path, how: Ordinary, dropped: Counter[str]
) -> Iterator[tuple[dict[str, Any], str, str]]:
    """(Row of the table, language, text) of what is neither too short nor too long."""
    for path in how.paths(folder):
        table = table_of(path)
        if table and (missing := {*how.columns, *how.columns.values(), "licence"} - table[0].keys()):
            raise InputError(
                f"{path}: no column '{min(missing)}'", "fetch the data again, or mend the recipe"
            )
        for row in table:
            for column, tongue in how.columns.items():
                language, text = str(row[tongue]).split("-")[0], str(row[column] or "")  # zh-Hans is zh
                if how.languages and language not in how.languages:
                    continue
                for piece in [text] if how.whole else split(text, language):
                    if _SHORT_SCRIPTS.get(language, _LENGTHS[0]) <= len(piece.strip()) <= _LENGTHS[1]:
                        yield row, language, piece.strip()
                    else:
                        dropped["ordinary text too short or too long"] += 1
