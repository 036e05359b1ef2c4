"""The step `guard.train`: fit linear heads, choose thresholds, measure on sets that were never fitted.

Fitted: rows of split `train` and the seed sentences, without the parts that the recipe keeps for thresholds.
Thresholds: on those parts. Measured: the sets of split `test`, which are opened only after the heads are written.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rumpun.records.artefacts import SourceEntry, sha256_file
from rumpun.records.places import source_data
from rumpun.steps import Outcome, Work, step

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from rumpun.guard.guard import Guard
    from rumpun.guard.rows import Row
    from rumpun.language.ngrams import Counts

__all__ = ["GuardParams", "train"]

_PLACES = ("safety/*.parquet", "seed/*.jsonl")
_LEAST_ROWS = 100  # a language's safe rows, for it to have its own say in the threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardParams:
    """What the recipe may say."""

    for_threshold: dict[str, dict[str, tuple[str, ...]]]  # source -> column -> values kept out of the fit
    buckets: int = 262_144
    ngram_lengths: tuple[int, ...] = (1, 2, 3, 4, 5)
    category_rows_min: int = 100  # unsafe rows that a category needs to have its own head
    inverse_regularisation: float = 10.0  # C of scikit-learn's logistic regression
    false_alarms_max: float = 0.01  # share of safe rows kept for thresholds that the unsafe head may flag
    category_false_alarms_max: float = 0.002  # the same for each category's head
    safe_only_weight: float = 0.3  # of a language that has no unsafe rows, against one that has

    def check(self) -> None:
        """Refuse what cannot be meant."""
        for name in ("false_alarms_max", "category_false_alarms_max"):
            value = getattr(self, name)
            if not 0 < value < 0.5:
                raise ValueError(f"{name} = {value}: expected more than 0 and less than 0.5")


def _identity(_: GuardParams) -> Mapping[str, Any]:
    folder = source_data()
    return {p.relative_to(folder).as_posix(): sha256_file(p) for g in _PLACES for p in sorted(folder.glob(g))}


@step(kind="guard", version=1, identity=_identity, part="train")
def train(params: GuardParams, work: Work) -> Outcome:
    """Fit, choose thresholds, write `guard.safetensors` and `guard.json`, measure."""
    import numpy as np
    import sklearn

    from rumpun.guard.guard import Guard
    from rumpun.guard.held_out import measure
    from rumpun.guard.moderation import covered
    from rumpun.guard.rows import read_measured, read_training
    from rumpun.language.heads import write_heads

    folder = source_data()
    read = read_training(folder, params.for_threshold)
    fitted = [row for row in read.rows if not row.for_threshold]
    kept = [row for row in read.rows if row.for_threshold]
    guard = _fit(params, fitted, work)
    thresholds = _thresholds(params, guard, kept)
    guard.heads.facts["thresholds"] = thresholds
    write_heads(work.folder, "guard", guard.heads)
    shipped = Guard.load(work.folder)
    measured = read_measured(folder)
    summary = {
        "rows": {
            "fitted": _counts(fitted),
            "for_threshold": _counts(kept),
            "measured": _counts(measured.rows),
            "dropped": dict(sorted((read.dropped + measured.dropped).items())),
        },
        "heads": {label: sum(label in r.categories for r in fitted) for label in guard.heads.labels[1:]},
        "thresholds": thresholds,
        "covered": list(covered(guard.heads.labels)),
        "for_threshold": measure(shipped, [_together(r) for r in kept]),
        "sensitive_questions": measure(
            shipped, [replace(r, source="sensitive") for r in kept if r.sensitive]
        ),
        "held_out": measure(shipped, measured.rows),
    }
    return Outcome(
        sources=_sources(folder, read.rows, measured.rows),
        languages=tuple(sorted({row.language for row in fitted})),
        summary=summary,
        tools={"numpy": np.__version__, "scikit-learn": sklearn.__version__},
        name=str(guard.heads.facts["name"]),
    )


def _together(row: "Row") -> "Row":
    """The seed sentences are told as one set."""
    return replace(row, source="seed") if row.source.startswith("seed-") else row


def _fit(params: GuardParams, rows: "Sequence[Row]", work: Work) -> "Guard":
    """A guard with the unsafe head and one for each category that has rows enough; no thresholds yet."""
    import numpy as np

    from rumpun.guard.guard import Guard, windows
    from rumpun.guard.normalise import normalised
    from rumpun.guard.taxonomy import UNSAFE, taxonomy
    from rumpun.language.heads import Heads, quantised
    from rumpun.language.ngrams import hashed

    texts = [windows(normalised(row.text))[0] for row in rows]
    counts = hashed(texts, buckets=params.buckets, lengths=params.ngram_lengths).normalised()
    known = Counter(name for row in rows for name in row.categories)
    names = [name for name in taxonomy().categories if known[name] >= params.category_rows_min]
    weights = np.zeros((params.buckets, 1 + len(names)), np.float32)
    bias = np.zeros(1 + len(names), np.float32)
    for place, name in enumerate([UNSAFE, *names]):
        work.progress(place, 1 + len(names), f"head {name}")
        used, truth = _task(rows, name)
        emphasis = _emphasis(params, rows, used, truth)
        weights[:, place], bias[place] = _regression(params, counts, used, truth, emphasis)
    small, scale = quantised(weights)
    labels = (UNSAFE, *names)
    facts = {"name": "rumpun-guard-ngrams-1", "thresholds": dict.fromkeys(labels, 0.5)}
    heads = Heads(labels, params.ngram_lengths, small, scale, bias, facts)
    return Guard(heads, dict.fromkeys(labels, 0.5), work.folder, str(facts["name"]))


def _task(rows: "Sequence[Row]", name: str) -> "tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]":
    """Places of the rows that one head learns from, and which of them are its own.

    Unsafe rows without a category tell a category's head nothing and are left out of it.
    """
    import numpy as np

    from rumpun.guard.taxonomy import UNSAFE

    if name == UNSAFE:
        return np.arange(len(rows)), np.array([row.label == "unsafe" for row in rows])
    used = np.array([n for n, row in enumerate(rows) if row.label == "safe" or row.categories])
    return used, np.array([name in rows[n].categories for n in used])


def _emphasis(
    params: GuardParams, rows: "Sequence[Row]", used: "npt.NDArray[np.int64]", truth: "npt.NDArray[np.bool_]"
) -> "npt.NDArray[np.float64]":
    """A weight for each row: within a language both sides weigh the same, so that no language is itself a reason."""
    import numpy as np

    sides = [(rows[n].language, bool(own)) for n, own in zip(used, truth, strict=True)]
    size = Counter(sides)
    whole = {language: params.safe_only_weight for language, _ in size}
    whole |= {language: 0.5 for language, own in size if own}
    raw = np.array([whole[side[0]] / size[side] for side in sides])
    scaled: npt.NDArray[np.float64] = raw * len(raw) / raw.sum()
    return scaled


def _regression(
    params: GuardParams,
    counts: "Counts",
    used: "npt.NDArray[np.int64]",
    truth: "npt.NDArray[np.bool_]",
    emphasis: "npt.NDArray[np.float64]",
) -> "tuple[npt.NDArray[np.float32], float]":
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    from rumpun.language.softmax import matrix

    model = LogisticRegression(C=params.inverse_regularisation, max_iter=200, tol=1e-4)
    model.fit(matrix(counts)[used], truth, sample_weight=emphasis)
    return np.asarray(model.coef_[0], np.float32), float(model.intercept_[0])


def _thresholds(params: GuardParams, guard: "Guard", rows: "Sequence[Row]") -> dict[str, float]:
    """For each head the lowest threshold whose false alarms keep the limit in all safe rows, and in each language."""
    import numpy as np

    from rumpun.guard.taxonomy import UNSAFE

    safe = [row for row in rows if row.label == "safe"]
    scores = guard.scores([row.text for row in safe])
    size = Counter(row.language for row in safe)
    groups = [np.arange(len(safe))]
    groups += [
        np.array([n for n, row in enumerate(safe) if row.language == language])
        for language in sorted(size)
        if size[language] >= _LEAST_ROWS
    ]
    found = {}
    for place, label in enumerate(guard.heads.labels):
        most = params.false_alarms_max if label == UNSAFE else params.category_false_alarms_max
        limits = [_limit(scores[group, place], most) for group in groups]
        found[label] = round(max(limits), 4)
    return found


def _limit(scores: "npt.NDArray[np.float32]", most: float) -> float:
    """A threshold that at most this share of the scores reaches."""
    import numpy as np

    allowed = int(most * len(scores))
    ordered = np.sort(scores)[::-1]
    return float(ordered[min(allowed, len(ordered) - 1)]) + 1e-4


def _counts(rows: "Sequence[Row]") -> dict[str, dict[str, int]]:
    """Label -> language -> rows."""
    found: dict[str, dict[str, int]] = {}
    for (label, language), size in sorted(Counter((row.label, row.language) for row in rows).items()):
        found.setdefault(label, {})[language] = size
    return found


def _sources(folder: Any, fitted: "Sequence[Row]", measured: "Sequence[Row]") -> tuple[SourceEntry, ...]:
    from rumpun.guard.inventory import origins

    known = origins(folder)
    entries = []
    for role, rows in (("text", fitted), ("benchmark", measured)):
        size = Counter((row.source, row.part, row.licence) for row in rows)
        home = {(row.source, row.part): _repository(row.url) for row in rows if row.url}
        for (source, part, licence), count in sorted(size.items()):
            place = known.get(source, {})
            url = home.get((source, part), "") or str(place.get("repository", ""))
            entries.append(
                SourceEntry(
                    name=f"{source}/{part}" if part else source,
                    licence=licence,
                    url=url,
                    commit=str(place.get("commit", "")) if url == place.get("repository") else "",
                    rows=count,
                    sha256=str(place.get("sha256", "")),
                    role="seed" if source.startswith("seed-") else role,
                )
            )
    return tuple(entries)


def _repository(url: str) -> str:
    """The address of the repository that a file's address lies in: host, owner and name."""
    return "/".join(url.split("/")[:5])
