"""Word lists: tables of words in many languages, and what words of one language stand for another's.

A list is a file of tab-separated columns whose first is English and whose header names the languages (BCP-47); a cell
holds alternatives between bars.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rumpun.errors import InputError
from rumpun.language.lines import lines_of

__all__ = ["Entry", "read_lexicons"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One word for one English word."""

    language: str
    word: str
    english: str
    source: str


def read_lexicons(folders: Sequence[str], languages: Sequence[str]) -> Iterator[Entry]:
    """Every alternative of every cell, in order of the files.

    Raises:
        InputError: a file is not UTF-8, or a line has another number of columns than its header.
    """
    for folder in folders:
        for path in sorted(Path(folder).glob("*.tsv")):
            lines = [line for _, _, some in lines_of([path]) for line in some]
            if not lines or lines[0].split("\t")[0] != "en":
                raise InputError(
                    f"{path}: line 1: a header that begins with 'en' is missing", "name the columns"
                )
            header = lines[0].split("\t")
            for number, line in enumerate(lines[1:], 2):
                cells = line.split("\t")
                if len(cells) != len(header):
                    raise InputError(
                        f"{path}: line {number}: {len(cells)} columns, the header has {len(header)}",
                        "leave a cell empty rather than out",
                    )
                for language, cell in zip(header[1:], cells[1:], strict=True):
                    if language in languages:
                        for word in filter(None, (w.strip() for w in cell.split("|"))):
                            yield Entry(language, word, cells[0].strip(), f"lexicon-{path.stem}")
