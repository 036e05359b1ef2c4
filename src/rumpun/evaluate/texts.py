"""Texts to measure on: lines {"text": …, "language": …} of a JSONL file, or the held-out rows of a corpus."""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rumpun.errors import InputError, nearest

__all__ = ["Text", "held_out", "known_language", "read_texts"]

_NEEDED = ("id", "text", "language")
_COLUMNS = (*_NEEDED, "source")
_SHAPE = '{"text": "…", "language": "th"}'


@dataclass(frozen=True, slots=True)
class Text:
    """One document, measured alone."""

    text: str  # as given
    language: str  # BCP-47
    where: str  # for messages: "file.jsonl:3", or an id
    source: str = ""  # of a corpus's rows

    @property
    def bytes(self) -> int:
        """UTF-8 bytes of the text as given."""
        return len(self.text.encode())


def known_language(tag: str) -> bool:
    """Whether a tag is one of the tables' languages, or a variant of one ("zh-Hant", "ms-SG")."""
    from rumpun.language.tables import languages

    whole = re.fullmatch(r"([a-z]{2,3})(-[A-Z][a-z]{3})?(-[A-Z]{2})?", tag)
    return tag in languages() or (whole is not None and whole[1] in languages())


def read_texts(path: Path, limit: int = 0) -> list[Text]:
    """Every text of a JSONL file, or the first `limit` of each language; empty lines are passed over.

    Raises:
        InputError: the file cannot be read, has no text, or a line is not as it should be; file and line are named.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror})", f"name a file of lines {_SHAPE}"
        ) from error
    texts: list[Text] = []
    counts: dict[str, int] = {}
    for number, line in enumerate(raw.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not line.strip():
            continue
        found = _text(line, f"{path}:{number}")
        counts[found.language] = counts.get(found.language, 0) + 1
        if not limit or counts[found.language] <= limit:
            texts.append(found)
    if not texts:
        raise InputError(f"{path}: no text in it", f"write lines {_SHAPE}")
    return texts


def _row(line: bytes, where: str) -> Any:
    try:
        return json.loads(line)
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: not UTF-8 (byte {error.start + 1})", "save the file as UTF-8") from error
    except json.JSONDecodeError as error:
        raise InputError(
            f"{where}: not JSON ({error.msg}, column {error.colno})", f"write {_SHAPE}"
        ) from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets without end
        raise InputError(
            f"{where}: not JSON that can be read ({type(error).__name__})", f"write {_SHAPE}"
        ) from error


def _text(line: bytes, where: str) -> Text:
    row = _row(line, where)
    if not isinstance(row, dict):
        raise InputError(f"{where}: {_short(row)}, expected an object", f"write {_SHAPE}")
    for key in ("text", "language"):
        if key not in row:
            raise InputError(
                f"{where}: no key '{key}' (its keys: {', '.join(row) or 'none'})", f"write {_SHAPE}"
            )
        if not isinstance(row[key], str):
            raise InputError(f"{where}: {key} = {_short(row[key])}, expected a string", f"write {_SHAPE}")
    text, language = row["text"], row["language"]
    if not text:
        raise InputError(f"{where}: the text is empty", "drop the line")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{where}: the text has half a surrogate pair at character {error.start + 1}",
            "drop or mend the line",
        ) from error
    if not known_language(language):
        from rumpun.language.tables import languages

        raise InputError(
            f"{where}: language = '{language}' is not known", nearest(language, list(languages()))
        )
    return Text(text, language, where)


def _short(value: Any) -> str:
    said = json.dumps(value, ensure_ascii=False)
    return said if len(said) <= 40 else said[:39] + "…"


def held_out(corpus: Path, languages: Iterable[str], documents_max: int, seed: int) -> list[Text]:
    """Held-out rows of a corpus, at most so many a language: those whose id hashes lowest with the seed.

    Raises:
        InputError: no held-out shard, or one that cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    wanted = set(languages)
    found: dict[str, list[tuple[str, Text]]] = {}
    shards = sorted((corpus / "heldout").glob("*.parquet"))
    for shard in shards:
        try:
            named = [name for name in pq.read_schema(shard).names if name in _COLUMNS]
            rows = pq.read_table(shard, columns=[*dict.fromkeys((*_NEEDED, *named))]).to_pylist()
        except (pa.ArrowException, KeyError, OSError) as error:
            raise InputError(
                f"{shard}: not a shard of documents ({error})", "make the corpus again"
            ) from error
        for row in rows:
            if row["text"] and (not wanted or row["language"] in wanted):
                order = hashlib.blake2b(f"{seed}:{row['id']}".encode(), digest_size=8).hexdigest()
                found.setdefault(row["language"], []).append(
                    (
                        order + row["id"],
                        Text(row["text"], row["language"], str(row["id"]), row.get("source") or ""),
                    )
                )
    if not found:
        raise InputError(
            f"{corpus}/heldout: no document in {len(shards)} shards",
            "name held_out_sources in the corpus step",
        )
    return [
        text
        for tag in sorted(found)
        for _, text in sorted(found[tag], key=lambda pair: pair[0])[: documents_max or None]
    ]
