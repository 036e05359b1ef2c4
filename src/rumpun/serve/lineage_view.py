"""An artefact's lineage as the model page shows it: a tree of what made it, its sources, and what they oblige."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rumpun.errors import InputError
from rumpun.records.licences import terms

if TYPE_CHECKING:
    from rumpun.records.lineage import Lineage

__all__ = ["lineage_view"]

_NAMED = 4  # licences named on one line of the tree; the table has all of them


@functools.lru_cache(maxsize=32)
def lineage_view(folder: Path | None) -> dict[str, Any] | None:
    """Tree, sources and duties of an artefact's folder; None when it has no lineage that can be read."""
    if folder is None:
        return None
    from rumpun.records.lineage import walk

    try:
        walked = walk(folder)
    except InputError:
        return None
    return {
        "tree": _branch(walked, walked.root, set()),
        "missing": [missing.id[:12] for missing in walked.missing],
        "duties": walked.obligations,
        "sources": [
            {
                "name": source.name,
                "licence": source.licence,
                "duties": list(terms(source.licence).oblige) if source.licence.strip() else [],
                "urls": [url for url in source.url.split(", ") if url.startswith(("https://", "http://"))],
                "rows": source.rows,
                "role": source.role,
            }
            for source in walked.sources
        ],
    }


def _branch(walked: "Lineage", key: str, shown: set[str]) -> dict[str, Any]:
    """One artefact with its parents; one that several stand on is opened once."""
    node = next((node for node in walked.nodes if node.id == key), None)
    if node is None:
        return {"kind": "not at hand", "name": "", "id": key, "how": "", "parents": []}
    again = key in shown
    shown.add(key)
    licences = [
        *node.licences[:_NAMED],
        *([f"{len(node.licences) - _NAMED} more"] if len(node.licences) > _NAMED else []),
    ]
    how = (
        "opened above"
        if again
        else " · ".join(filter(None, (node.step, node.created[:10], ", ".join(licences))))
    )
    parents = [] if again else [_branch(walked, parent, shown) for parent in node.parents]
    return {"kind": node.kind, "name": node.name, "id": node.id, "how": how, "parents": parents}
