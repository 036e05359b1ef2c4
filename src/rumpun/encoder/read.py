"""Texts to embed and pairs to measure with, out of lines."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from rumpun.encoder.encoder import Encoder
from rumpun.encoder.pairs import Pair, held_out_rows
from rumpun.errors import InputError
from rumpun.language.lines import lines_of
from rumpun.records.copies import LINEAGE, copies, read_copy

__all__ = ["pairs_of", "shipped_held_out", "texts_of"]


def texts_of(files: Sequence[Path]) -> Iterator[tuple[str, int, list[str]]]:
    """(name, number of the first line, texts): a line that begins with a brace is a JSON object with `text`.

    Raises:
        InputError: a file cannot be read, a line is not UTF-8, or an object has no string `text`.
    """
    for name, number, lines in lines_of(files):
        yield name, number, [_text(line, f"{name}: line {number + n}") for n, line in enumerate(lines)]


def _text(line: str, where: str) -> str:
    if not line.lstrip().startswith("{"):
        return line
    return _strings(line, where, ("text",))["text"]


def _strings(line: str, where: str, names: tuple[str, ...]) -> dict[str, str]:
    hint = "write {" + ", ".join(f'"{name}": "…"' for name in names) + "} on each line"
    try:
        row: Any = msgspec.json.decode(line)
    except msgspec.DecodeError as error:
        raise InputError(f"{where}: not JSON ({error})", hint) from error
    for name in names:
        if not isinstance(row, dict) or not isinstance(row.get(name), str):
            raise InputError(f"{where}: no string '{name}'", hint)
    found: dict[str, str] = row
    return found


def pairs_of(path: Path) -> list[Pair]:
    """Rows to measure with, out of JSON lines {"language", "text", "english"} (and "source", where there are several).

    Raises:
        InputError: the file cannot be read, or a line is not such an object.
    """
    found = []
    for name, number, lines in lines_of([path]):
        for n, line in enumerate(lines):
            row = _strings(line, f"{name}: line {number + n}", ("language", "text", "english"))
            found.append(
                Pair(
                    row["language"],
                    row["text"],
                    row["english"],
                    str(row.get("source", path.stem)),
                    "natural",
                    "",
                )
            )
    return found


def shipped_held_out(encoder: Encoder) -> list[Pair]:
    """The rows of the sources that the encoder's own recipe kept for measuring, read again from the data folder.

    Raises:
        InputError: the data folder or the encoder's lineage is not there.
    """
    manifests = map(read_copy, copies(encoder.folder))
    fitted = [manifest.maker.params for manifest in manifests if manifest.kind == "pairs"]
    if not fitted:
        raise InputError(
            f"{encoder.folder / LINEAGE}: no manifest of the pairs it was fitted with",
            "name a file to measure on",
        )
    # subwords and student may stand on pairs of their own: only what all of them left out was never seen
    everywhere = set.intersection(*(set(params["held_out"]) for params in fitted))
    return held_out_rows(fitted[0] | {"held_out": sorted(everywhere)})
