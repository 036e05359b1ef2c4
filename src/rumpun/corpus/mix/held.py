"""What is held out, by source; and the training documents that share text with it.

Held-out documents are kept documents of the sources that the recipe names. A language with one source alone is cut into
blocks, and one block in ten is held out. A training document that equals a held-out one in its letters, or shares a long
run of words (of letters where no spaces are written), is dropped.
"""

import functools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rumpun.corpus.languages import spaced
from rumpun.corpus.letters import Letters
from rumpun.corpus.mix.beginning import beginning
from rumpun.corpus.mix.params import MixParams
from rumpun.corpus.mix.table import HELD, OVERLAP, TRAIN, UNMEASURED, Table
from rumpun.corpus.order import order_key
from rumpun.corpus.overlap import HeldOut
from rumpun.corpus.parts import read_part
from rumpun.corpus.tag.batch import slices
from rumpun.corpus.texts import Part, final_texts, has_column
from rumpun.steps import Progress, quiet

__all__ = ["choose", "drop_overlaps", "held_out_index"]

_LIGHT = 8  # parts looked through take no longer than a worker process takes to start
_BLOCKS = 20  # a language with one source is cut into so many


def held_out_index(texts: list[str], language: str, *, words: int, letters: int) -> HeldOut:
    """The index of a language's held-out texts, by words or by letters as the language writes."""
    return HeldOut(texts, words=words) if spaced(language) else HeldOut(texts, letters=letters)


def _candidates(table: Table, language: str, params: MixParams, seed: int) -> tuple[NDArray[np.int64], str]:
    here = table.of(language, TRAIN)
    names = [table.sources.all[n] for n in np.unique(table.source[here])]
    if len(names) > 1 or not params.held_out_documents_per_language:
        wanted = params.held_out_sources.get(language, ())
        numbers = [n for n, name in enumerate(table.sources.all) if name in wanted]
        found = here[np.isin(table.source[here], numbers)]
        return found, "source" if len(found) else ""
    if len(here) < 2:
        return here[:0], ""
    count = min(_BLOCKS, len(here))
    block = np.arange(len(here)) * count // len(here)
    order = sorted(range(count), key=lambda b: order_key(seed, names[0], f"block {b}"))
    return here[np.isin(block, order[: max(1, count // 10)])], f"blocks of {names[0]}"


def choose(table: Table, params: MixParams, seed: int) -> dict[str, str]:
    """Mark what is HELD and what of the held-out sources is UNMEASURED; language -> how it was held out.

    Sources take turns, each in seeded order, up to the documents and bytes that the recipe asks for.
    """
    how: dict[str, str] = {}
    for tag in table.tags():
        found, how[tag] = _candidates(table, tag, params, seed)
        table.state[found] = UNMEASURED
        turns: dict[int, int] = {}
        queue = []
        for n in found[np.lexsort((found, table.order[found]))].tolist():
            source = int(table.source[n])
            turns[source] = turns.get(source, 0) + 1
            queue.append((turns[source], table.sources.all[source], n))
        documents = size = 0
        for _, _, n in sorted(queue):
            length = min(int(table.size[n]), 4 * params.held_out_characters_per_document)
            if (
                documents < params.held_out_documents_per_language
                and size + length <= params.held_out_bytes_per_language
            ):
                table.state[n] = HELD
                documents, size = documents + 1, size + length
    return how


def _held_texts(table: Table, params: MixParams) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for part, first, end in zip(table.parts, table.starts, table.starts[1:], strict=False):
        rows = np.flatnonzero(table.state[first:end] == HELD)
        if len(rows):
            for row, text in zip(rows.tolist(), final_texts(part, rows), strict=True):
                tag = table.languages.all[table.language[first + row]]
                found.setdefault(tag, []).append(beginning(text, params.held_out_characters_per_document))
    return found


@functools.lru_cache(maxsize=2)
def _indices(path: str, words: int, letters: int) -> dict[str, HeldOut]:
    """Language -> index, made once in each worker."""
    rows: dict[str, list[str]] = {}
    for row in read_part(Path(path)).to_pylist():
        rows.setdefault(row["language"], []).append(row["text"])
    return {tag: held_out_index(texts, tag, words=words, letters=letters) for tag, texts in rows.items()}


def overlap_part(unit: dict[str, Any]) -> list[int]:
    """The rows of one part whose texts overlap held-out text of their own language.

    `unit`: as of a part, and held (a path), words, letters.
    """
    part = Part.of(unit)
    indices = _indices(unit["held"], unit["words"], unit["letters"])
    place = part.decisions if has_column(part.decisions, "language") else part.documents
    tags = np.array(read_part(place, ["language"])["language"].to_pylist(), dtype=object)
    kept = read_part(part.decisions, ["kept"])["kept"].to_numpy()
    rows = np.flatnonzero(kept & np.isin(tags, [*indices]))
    texts = np.array(final_texts(part, rows), dtype=object) if len(rows) else rows
    found: list[int] = []
    for tag, index in sorted(indices.items()):
        own, some = rows[tags[rows] == tag], texts[tags[rows] == tag]
        for first, last in slices([len(text) for text in some]):
            hits = index.hits(Letters(some[first:last].tolist()))
            found += own[first:last][hits].tolist()
    return sorted(found)


def drop_overlaps(table: Table, params: MixParams, scratch: Path, progress: Progress = quiet) -> None:
    """Mark OVERLAP every training document that shares text with what is held out."""
    import pyarrow as pa

    from rumpun.corpus.engine import map_parts
    from rumpun.corpus.parts import write_part

    held = _held_texts(table, params)
    if not held:
        return
    rows = [{"language": tag, "text": text} for tag, texts in sorted(held.items()) for text in texts]
    path = write_part(scratch / "held", 0, pa.Table.from_pylist(rows))
    terms = {
        "held": str(path.absolute()),
        "words": params.held_out_run_words,
        "letters": params.held_out_run_letters,
    }
    units = [part.unit() | terms for part in table.parts]
    hits = map_parts(
        overlap_part,
        units,
        progress=progress,
        note="held-out text looked for, by parts",
        keep=scratch / "overlaps",
        least=_LIGHT,
    )
    for first, found in zip(table.starts, hits, strict=False):
        places = first + np.array(found, dtype=np.int64)
        table.state[places[table.state[places] == TRAIN]] = OVERLAP
