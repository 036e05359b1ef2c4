"""Measure a guard on labelled rows: aggregate numbers only.

`recall` is the share of unsafe rows that are flagged, `false_alarms` of safe rows, `topic_flags` of rows that are about
a hazard without each being unsafe (no recall). Shares come with their 95 % Wilson interval.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rumpun.guard.rows import Row
from rumpun.measure.rates import auroc, wilson

if TYPE_CHECKING:
    from rumpun.guard.guard import Guard

__all__ = ["measure"]

_MEASURES = {"unsafe": "recall", "safe": "false_alarms", "topic": "topic_flags"}


def measure(guard: "Guard", rows: Sequence[Row]) -> list[dict[str, Any]]:
    """One entry for each set and language, in order of both.

    Entry: set, language, then for each kind of row {"rows", "flagged", "share", "low", "high"}, and `auroc` of the
    unsafe head where there are unsafe and safe rows.
    """
    import numpy as np

    from rumpun.guard.taxonomy import UNSAFE

    scores = guard.scores([row.text for row in rows])
    flags = np.array([guard.verdict(s, "und", "prompt").flagged for s in scores], bool)
    unsafe = scores[:, guard.heads.labels.index(UNSAFE)]
    found = []
    for name, language in sorted({(row.source, row.language) for row in rows}):
        entry: dict[str, Any] = {"set": name, "language": language}
        places = {
            label: [
                n for n, r in enumerate(rows) if (r.source, r.language, r.label) == (name, language, label)
            ]
            for label in _MEASURES
        }
        for label, key in _MEASURES.items():
            if places[label]:
                entry[key] = _share(int(flags[places[label]].sum()), len(places[label]))
        if places["unsafe"] and places["safe"]:
            entry["auroc"] = round(auroc(unsafe[places["unsafe"]], unsafe[places["safe"]]), 4)
        found.append(entry)
    return found


def _share(flagged: int, rows: int) -> dict[str, Any]:
    low, high = wilson(flagged, rows)
    return {
        "rows": rows,
        "flagged": flagged,
        "share": round(flagged / rows, 4),
        "low": round(low, 4),
        "high": round(high, 4),
    }
