"""`figures.json` of a corpus that rows were taken out of: what went is counted under the outcome "withdrawn"."""

import json
from pathlib import Path
from typing import Any

from rumpun.corpus.withdraw.rows import Taken
from rumpun.corpus.write.figures import Counts

__all__ = ["OUTCOME", "write_figures"]

OUTCOME = "withdrawn"
_KEYS = ("language", "source", "licence", "domain", "outcome")
_SUMS = ("documents", "bytes", "bytes_seen")


def write_figures(old: Path, folder: Path, taken: Taken) -> None:
    """Write the figures of the corpus in `folder`: every document that was read is still counted once.

    Args:
        old: figures.json of the old corpus.
        folder: the new corpus, its files written.
        taken: what went.
    """
    figures: dict[str, Any] = json.loads(old.read_text(encoding="utf-8"))
    rows: dict[tuple[str, ...], dict[str, int]] = {
        tuple(row[name] for name in _KEYS): {name: row[name] for name in _SUMS} for row in figures["counts"]
    }
    for cell, documents in taken.cells.items():
        if cell in rows:
            _move(rows, cell, (documents, taken.cell_bytes[cell], taken.cell_seen[cell]))
    for (language, source, rule), documents in taken.drops.items():
        left = documents
        for cell in [c for c in rows if (c[0], c[1], c[4]) == (language, source, rule)]:
            some = min(left, rows[cell]["documents"])
            share = rows[cell]["bytes"] * some // max(1, rows[cell]["documents"])
            _move(rows, cell, (some, share, 0))
            left -= some
    figures["rejected"] = _less_refused(figures.get("rejected", []), taken, rows)
    figures["counts"] = [
        dict(zip(_KEYS, cell, strict=True)) | sums for cell, sums in sorted(rows.items()) if sums["documents"]
    ]
    figures |= _credits(folder)
    (folder / "figures.json").write_text(
        json.dumps(figures, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
    )


def _less_refused(
    rejected: list[dict[str, Any]], taken: Taken, rows: dict[tuple[str, ...], dict[str, int]]
) -> list[dict[str, Any]]:
    """The counts of rows that could not be read, less what went, which is counted with the documents that went."""
    left = [dict(row) for row in rejected]
    for (language, source, rule), count in taken.refused_rows.items():
        goes = count
        for row in left:
            if (row["source"], row["rule"]) == (source, rule) and row.get("language", language) == language:
                some = min(goes, row["rows"])
                row["rows"] -= some
                goes -= some
                cell = (language, source, row.get("licence", ""), "", OUTCOME)
                rows.setdefault(cell, dict.fromkeys(_SUMS, 0))["documents"] += some
    return [row for row in left if row["rows"]]


def _move(
    rows: dict[tuple[str, ...], dict[str, int]], cell: tuple[str, ...], sums: tuple[int, int, int]
) -> None:
    """Take documents and bytes from one cell, and put them under the outcome "withdrawn"."""
    gone = rows.setdefault((*cell[:4], OUTCOME), dict.fromkeys(_SUMS, 0))
    for name, count in zip(_SUMS, sums, strict=True):
        rows[cell][name] = max(0, rows[cell][name] - count)
        if name != "bytes_seen":
            gone[name] += count


def _credits(folder: Path) -> dict[str, Any]:
    """Hosts and contributors of what trains now."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    counts = Counts()
    for path in sorted((folder / "train").glob("*.parquet")):
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(columns=["source", "url", "contributor", "text"], batch_size=4096):
                table = pa.Table.from_batches([batch])
                sizes = pc.cast(pc.binary_length(table["text"]), pa.int64())
                counts.credit(table.drop_columns(["text"]).append_column("bytes", sizes))
    return {
        "hosts": [
            {"source": source, "host": host, "bytes": size}
            for (source, host), size in sorted(counts.hosts.items(), key=lambda i: (-i[1], i[0]))
        ],
        "contributors": {name: len(people) for name, people in sorted(counts.contributors.items())},
    }
