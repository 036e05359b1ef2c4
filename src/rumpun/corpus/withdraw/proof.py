"""The proof that what was taken back is gone: asked of the new index, and read in the new files.

- The files are read row by row, those of dropped rows too: no row of the entries is there.
- Spans of every text that went out of use are asked of the new index (dropped texts were in none). A span that stands there in a row of somebody else was never
  theirs alone: it is counted as shared and its rows are named. In rows that went there must be none.
- The same spans are asked of the old index, where there was one: that search can find them is seen there.
- Apart from the index, by hashes of runs of 50 letters (`corpus.overlap`), the files, dropped rows among them, are compared
  with the texts that went; rows of others that share such a run are named.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from rumpun.corpus.letters import Letters
from rumpun.corpus.order import by_characters
from rumpun.corpus.overlap import HeldOut
from rumpun.corpus.trace.fold import fold
from rumpun.corpus.trace.search import TraceIndex, long_enough
from rumpun.corpus.trace.step import corpus_files, rows_of
from rumpun.corpus.withdraw.rows import count_rows
from rumpun.corpus.withdrawn import Withdrawn
from rumpun.errors import RumpunError
from rumpun.steps import Progress, quiet

__all__ = ["Proof", "prove"]

RUN_LETTERS = 50
_SPAN_LETTERS = 64
_SPANS_OF_A_TEXT = 8  # beside the whole text
_MOST_COMPARED = 20_000_000  # code points of texts that went, compared by hashes; more are sampled evenly
_NAMED = 20


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """A row of somebody else that has a passage of a text that went."""

    source: str
    id: str
    text: str  # the passage's beginning, as it stands there


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked for, and what was found."""

    rows_read: int  # of the new corpus
    drops_read: int  # dropped rows beside them
    rows_left: int  # of the entries among both: 0
    texts: int  # that went, dropped ones too
    texts_too_short: int  # of those in use, with fewer letters than a trace needs
    spans: int  # that were asked for
    found_before: int | None  # of them, in the old index; None where there was none
    found_after: int  # of them, in rows of the entries: 0
    spans_shared: int  # of them, in rows of others
    texts_compared: int  # by hashes, of the texts that went
    rows_sharing: int  # rows of others with a run of 50 letters of one of them
    shared: tuple[Shared, ...]  # the first twenty


def prove(
    corpus: Path,
    index: Path,
    before: Path | None,
    gone: Withdrawn,
    texts: Path,
    *,
    progress: Progress = quiet,
) -> Proof:
    """Search for what went.

    Args:
        corpus: the new one.
        index: of the new one.
        before: the old index.
        gone: what was taken back.
        texts: the texts that went, [place, text] in JSON a line.
        progress: of the search.

    Raises:
        RumpunError: something is still there; nothing may be moved out of use then.
    """
    left = count_rows(corpus, gone, sizes=False)
    new = TraceIndex.open(index)
    old = TraceIndex.open(before) if before else None
    shared: dict[tuple[str, str], Shared] = {}
    counts = {"texts": 0, "short": 0, "spans": 0, "before": 0, "after": 0, "shared": 0}
    for place, text in _texts(texts):
        counts["texts"] += 1
        if place == "drops":
            continue
        spans = _spans(text)
        counts["short"] += not spans
        for span in spans:
            counts["spans"] += 1
            counts["before"] += bool(old and old.count(span))
            _search(new, span, gone, counts, shared)
        progress(counts["texts"], 0, "searching what went")
    compared, sharing = _compare(corpus, texts, progress)
    if left.total() or counts["after"]:
        raise RumpunError(
            f"{corpus}: {left.total()} rows and {counts['after']} spans of what was withdrawn are still there",
            "a fault of rumpun's own: nothing was moved out of use; report it",
        )
    return Proof(
        rows_read=left.kept,
        drops_read=left.kept_drops,
        rows_left=left.total(),
        texts=counts["texts"],
        texts_too_short=counts["short"],
        spans=counts["spans"],
        found_before=counts["before"] if old else None,
        found_after=counts["after"],
        spans_shared=counts["shared"],
        texts_compared=compared,
        rows_sharing=len(sharing),
        shared=tuple(
            [*shared.values(), *(item for key, item in sharing.items() if key not in shared)][:_NAMED]
        ),
    )


def _texts(path: Path) -> Iterator[tuple[str, str]]:
    with path.open(encoding="utf-8") as stream:
        for line in stream:
            place, text = json.loads(line)
            yield place, text


def _spans(text: str) -> list[str]:
    """The whole text, and up to eight passages of 64 folded letters at even distances; none of a text too short."""
    folded = fold(text)
    size = len(folded.codes)
    if not long_enough(folded):
        return []
    found = [text]
    if size > _SPAN_LETTERS:
        count = min(
            _SPANS_OF_A_TEXT, -(-size // _SPAN_LETTERS)
        )  # at least two: the first letters and the last
        for number in range(count):
            first = (size - _SPAN_LETTERS) * number // (count - 1)
            origin = folded.origin[first : first + _SPAN_LETTERS]
            found.append(text[int(origin.min()) : int(origin.max()) + 1])
    return found


def _search(
    new: TraceIndex, span: str, gone: Withdrawn, counts: dict[str, int], shared: dict[tuple[str, str], Shared]
) -> None:
    if not new.count(span):
        return
    theirs = False
    for match in new.find(span, limit=_NAMED, spellings=False).matches:
        if gone.holds(match.source, match.id, match.contributor):
            counts["after"] += 1
        else:
            theirs = True
            shared.setdefault(
                (match.source, match.id),
                Shared(source=match.source, id=match.id, text=match.places[0].text[:80]),
            )
    counts["shared"] += theirs


def _compare(corpus: Path, texts: Path, progress: Progress) -> tuple[int, dict[tuple[str, str], Shared]]:
    """How many texts that went were compared, and the rows that share a run of letters with one."""
    size = sum(len(text) for _, text in _texts(texts))
    every = max(1, -(-size // _MOST_COMPARED))
    sample = [text for number, (_, text) in enumerate(_texts(texts)) if number % every == 0]
    went = HeldOut(sample, letters=RUN_LETTERS)
    found: dict[tuple[str, str], Shared] = {}
    read = 0
    drops = [("drops", path) for path in sorted((corpus / "drops").glob("*.parquet"))]
    for place, path in (*corpus_files(corpus), *drops):
        for batch in rows_of(str(path), place):
            for rows in by_characters(batch, lambda row: len(row["text"] or "")):
                read += len(rows)
                progress(read, 0, "reading what stays")
                for number in went.hits(Letters([row["text"] or "" for row in rows])).nonzero()[0].tolist():
                    row: dict[str, Any] = rows[number]
                    key = (row.get("source") or "", str(row.get("id") or ""))
                    found[key] = Shared(source=key[0], id=key[1], text=row["text"][:80])
    return len(sample), found
