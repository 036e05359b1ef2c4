"""The step `guard.labels`: the guard's rows as texts and labels, for an encoder that learns beside them what harm is.

The texts stay in the store of artefacts; they are read by script and never shown.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rumpun.encoder.labels import LABELS
from rumpun.guard.train import RowsParams, fitted_rows, row_sources
from rumpun.records.places import source_data
from rumpun.steps import Outcome, Work, step

__all__ = ["LabelsParams", "labels"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelsParams(RowsParams):
    """What the recipe may say."""

    left_out: tuple[str, ...] = ()  # languages that the encoder is to meet no label of


def _identity(params: LabelsParams) -> Mapping[str, Any]:
    return params.facts()


@step(kind="labelled-texts", version=1, identity=_identity, part="train")
def labels(params: LabelsParams, work: Work) -> Outcome:
    """Write `labels.parquet`: text, whether it is harmful, and a weight that evens sides out within a language."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import parquet

    from rumpun.guard.fit import balance, paired
    from rumpun.guard.normalise import normalised
    from rumpun.guard.windows import windows

    read = fitted_rows(params, source_data(), work.seed)
    rows = paired([r for r in read.rows if r.use == "fit" and r.language not in params.left_out])
    rows = [row for row in rows if "jailbreak" not in row.categories]
    own = np.array([row.unsafe for row in rows])
    table = {
        "text": [windows(normalised(row.text))[0] for row in rows],
        "unsafe": own.tolist(),
        "weight": balance(rows, own).tolist(),
    }
    parquet.write_table(pa.table(table), work.folder / LABELS)
    counts = Counter(f"{row.language}, {'unsafe' if row.unsafe else 'safe'}" for row in rows)
    return Outcome(
        sources=row_sources(source_data(), rows, []),
        languages=tuple(sorted({row.language for row in rows})),
        summary={"rows": dict(sorted(counts.items())), "dropped": dict(sorted(read.dropped.items()))},
        tools={"pyarrow": pa.__version__},
    )
