"""The texts that a vocabulary is learnt and measured on: a corpus, or files of documents."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rumpun.errors import InputError

__all__ = ["Texts", "read_corpus", "read_files"]

_EACH = 20  # of files without held-out ones, every twentieth document is held out


@dataclass(frozen=True, slots=True)
class Texts:
    """Documents by language tag."""

    train: Mapping[str, list[str]]
    held_out: Mapping[str, list[str]]
    parallel: Mapping[str, list[str]]  # held-out texts that say the same in every language; may be empty


def read_corpus(corpus: Path, bytes_max: int, parallel: Sequence[str]) -> Texts:
    """The training and held-out texts of a corpus artefact, so many bytes a language.

    Args:
        corpus: a folder with `train/*.parquet` and, where it holds texts out, `heldout/*.parquet`.
        bytes_max: of UTF-8 a language and part; more is thinned out evenly.
        parallel: names of held-out sources that say the same in every language.

    Raises:
        InputError: there is no text, or a shard cannot be read.
    """
    train = sorted((corpus / "train").glob("*.parquet"))
    if not train:
        raise InputError(f"{corpus}/train: no .parquet there", "make the corpus again")
    return read_files(train, sorted((corpus / "heldout").glob("*.parquet")), bytes_max, parallel)


def read_files(
    train: Sequence[Path], held_out: Sequence[Path], bytes_max: int, parallel: Sequence[str]
) -> Texts:
    """Texts of `.parquet` and `.jsonl` files whose rows have `text` and `language` (and `source`).

    Without held-out files every twentieth document of a language is held out.

    Raises:
        InputError: a file cannot be read, a row is none, or there is no text.
    """
    learnt = _by_language(train)
    if not learnt:
        raise InputError(f"{train[0] if train else 'no file'}: no document there", "name files with text")
    kept = _by_language(held_out)
    if not held_out:
        kept = {tag: rows[_EACH - 1 :: _EACH] for tag, rows in learnt.items()}
        learnt = {
            tag: [row for place, row in enumerate(rows) if place % _EACH != _EACH - 1]
            for tag, rows in learnt.items()
        }
    return Texts(
        {tag: _thinned([text for text, _ in rows], bytes_max) for tag, rows in sorted(learnt.items())},
        {tag: _thinned([text for text, _ in rows], bytes_max) for tag, rows in sorted(kept.items())},
        _parallel(kept, parallel),
    )


Row = tuple[str, str]  # text, source


def _by_language(files: Sequence[Path]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for file in files:
        for place, row in enumerate(_rows(file), 1):
            text, tag = row.get("text"), row.get("language")
            if not isinstance(text, str) or not isinstance(tag, str):
                raise InputError(
                    f"{file}: row {place}: 'text' and 'language' are not both text",
                    'each row is {"text": …, "language": tag}',
                )
            found.setdefault(tag, []).append((text, str(row.get("source") or "")))
    return found


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    if file.suffix == ".parquet":
        yield from _parquet(file)
        return
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: cannot be read ({error})", "name .parquet or .jsonl files") from error
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(
                f"{file}:{number}: not JSON ({error})", 'each line is {"text": …, "language": tag}'
            ) from error
        yield row if isinstance(row, dict) else {}


def _parquet(file: Path) -> Iterator[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as opened:
            columns = [name for name in ("text", "language", "source") if name in opened.schema_arrow.names]
            for batch in opened.iter_batches(columns=columns):
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{file}: not a file of documents ({error})", "make the corpus again") from error


def _thinned(texts: list[str], bytes_max: int) -> list[str]:
    """Every document, or every k-th where together they are longer; a long one is cut rather than the last lost."""
    sizes = [len(text.encode()) for text in texts]
    step = max(1, -(-sum(sizes) // bytes_max))
    found: list[str] = []
    left = bytes_max
    for text in texts[::step]:
        if left <= 0:
            break
        whole = text.encode()
        found.append(text if len(whole) <= left else whole[:left].decode(errors="ignore"))
        left -= len(whole)
    return found


def _parallel(held_out: Mapping[str, list[Row]], names: Sequence[str]) -> dict[str, list[str]]:
    """Held-out texts of the sources named, of the languages that have as many of them as most do."""
    found = {tag: [text for text, source in rows if source in names] for tag, rows in held_out.items()}
    most = max((len(texts) for texts in found.values()), default=0)
    return {tag: texts for tag, texts in found.items() if texts and len(texts) == most}
