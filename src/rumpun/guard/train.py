"""The step `guard.train`: fit the heads, choose thresholds, measure on sets that were never fitted.

Fitted: the sets that the recipe names, English text of the seed, the prompts of languages that have harmful rows too,
and rows switched by script into languages that have none. Thresholds: on the parts kept for them. Measured: the sets
never fitted, and the safe rows of languages whose safe rows were left out of the fit.
"""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rumpun.guard.ordinary import Ordinary, read_ordinary
from rumpun.guard.thresholds import Promise
from rumpun.records.artefacts import SourceEntry, sha256_file
from rumpun.records.places import shipped_folder, source_data
from rumpun.steps import Outcome, Work, step

if TYPE_CHECKING:
    from rumpun.encoder import Encoder
    from rumpun.guard.fit import Fitted
    from rumpun.guard.rows import Row, Rows

__all__ = ["GuardParams", "RowsParams", "fitted_rows", "lexicon", "recipe_rows", "row_sources", "train"]

_PLACES = ("safety/*.parquet", "seed/*.jsonl")
_NAME = "rumpun-guard-2"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsParams:
    """Which rows are fitted."""

    fit: tuple[str, ...]  # sets of sets.toml
    prompts: str  # folder of ordinary and sensitive-but-safe prompts, one file a language
    lexicons: tuple[str, ...] = ()  # folders of word lists, for switching
    for_threshold: dict[str, dict[str, tuple[str, ...]]]  # source -> column -> values kept out of the fit
    switched_languages: tuple[str, ...] = ()
    switched_rows: int = 400  # harmful rows of each, and as many safe ones

    def facts(self) -> dict[str, str]:
        """Files that the rows come from -> sha256."""
        folder = source_data()
        found = {
            p.relative_to(folder).as_posix(): sha256_file(p) for g in _PLACES for p in sorted(folder.glob(g))
        }
        for place in (self.prompts, *self.lexicons):
            found |= {f"{place}/{p.name}": sha256_file(p) for p in sorted(Path(place).glob("*.*"))}
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardParams(RowsParams):
    """What the recipe may say."""

    encoder: str = ""  # a folder; by default the one that is shipped
    measure: tuple[str, ...]
    buckets: int = 65_536
    ngram_lengths: tuple[int, ...] = (3, 4, 5)
    ngram_size: float = 0.3
    regularisation: float = 10.0
    category_regularisation: float = 3.0
    category_rows_min: int = 40
    blur: float = 0.0
    promises: dict[str, Promise] = field(default_factory=dict)  # point -> what it promises
    ordinary: dict[str, Ordinary] = field(default_factory=dict)  # source of running text -> how it is read

    def facts(self) -> dict[str, str]:
        """Files that the rows come from -> sha256."""
        folder = source_data()
        paths = {path for how in self.ordinary.values() for path in how.paths(folder)}
        named = {path.relative_to(folder).as_posix(): sha256_file(path) for path in sorted(paths)}
        return RowsParams.facts(self) | named

    def check(self) -> None:
        """Refuse what cannot be meant."""
        from rumpun.guard.judgement import POINTS

        if set(self.promises) != set(POINTS):
            raise ValueError(f"promises: expected exactly {', '.join(POINTS)}")


def _encoder_folder(params: GuardParams) -> Path:
    return Path(params.encoder) if params.encoder else shipped_folder() / "encoder"


def _identity(params: GuardParams) -> Mapping[str, Any]:
    spec = _encoder_folder(params) / "encoder.json"
    return params.facts() | ({"encoder": sha256_file(spec)} if spec.exists() else {})


@step(kind="guard", version=4, identity=_identity, part="train")
def train(params: GuardParams, work: Work) -> Outcome:
    """Fit, choose thresholds, write `guard.safetensors` and `guard.json`, measure."""
    import numpy as np
    import sklearn

    from rumpun.encoder import Encoder
    from rumpun.guard.card import DIAGRAM, diagram
    from rumpun.guard.fit import Settings, fit_heads, paired
    from rumpun.guard.guard import Guard
    from rumpun.guard.held_out import measure, probe, reliability
    from rumpun.guard.moderation import covered

    folder, encoder = source_data(), Encoder.load(_encoder_folder(params))
    read, measured = recipe_rows(params, folder, work.seed)
    fit = [row for row in read.rows if row.use == "fit"]
    kept = [row for row in read.rows if row.use == "threshold"]
    settings = Settings(
        buckets=params.buckets, lengths=params.ngram_lengths, ngram_size=params.ngram_size,
        regularisation=params.regularisation, category_regularisation=params.category_regularisation,
        category_rows_min=params.category_rows_min, blur=params.blur,
    )  # fmt: skip
    fitted = fit_heads(
        fit, encoder.embed, settings, work.seed, lambda label: work.progress(0, 1, f"head {label}")
    )
    used = paired(fit)
    _write(params, work.folder, fitted, kept, encoder)
    guard = Guard.load(work.folder, encoder=encoder)
    unused = [replace(row, use="measure") for row in fit if id(row) not in {id(r) for r in used}]
    work.progress(0, 1, "measuring")
    summary: dict[str, Any] = {
        "rows": {
            "fit": _counts(used),
            "threshold": _counts(kept),
            "measure": _counts([*measured.rows, *unused]),
            "dropped": dict(sorted((read.dropped + measured.dropped).items())),
        },
        "heads": fitted.rows,
        "off": fitted.off,
        "thresholds": guard.heads.spec.thresholds,
        "covered": list(covered(guard.heads.spec.labels)),
        "probe": probe(used, work.seed),
        "held_out": measure(guard, measured.rows),
        "safe_held_out": measure(guard, [_together(row) for row in unused]),
        "reliability": reliability(guard, [row for row in kept if row.role == "prompt"]),
        "for_threshold": measure(guard, [_together(row) for row in kept]),
    }
    (work.folder / DIAGRAM).write_text(diagram(summary["reliability"]), encoding="utf-8")
    return Outcome(
        sources=(*row_sources(folder, read.rows, measured.rows), *_encoder_source(encoder)),
        languages=tuple(sorted({row.language for row in [*used, *kept]})),
        summary=summary,
        tools={"numpy": np.__version__, "scikit-learn": sklearn.__version__},
        name=_NAME,
    )


def recipe_rows(params: GuardParams, folder: Path, seed: int) -> "tuple[Rows, Rows]":
    """Rows that are fitted or kept for thresholds, and rows that are only measured."""
    from rumpun.guard.rows import read_rows

    read = fitted_rows(params, folder, seed)
    measured = read_rows(folder, params.measure, {}, fit=False)
    texts = read_ordinary(folder, params.ordinary, read)
    read.rows += [row for row in texts.rows if row.use != "measure"]
    read.dropped += texts.dropped
    measured.rows += [row for row in texts.rows if row.use == "measure"]
    return read, measured


def fitted_rows(params: RowsParams, folder: Path, seed: int) -> "Rows":
    """What the recipe fits and keeps for thresholds, rows made by script among them."""
    from rumpun.guard.augment import switched
    from rumpun.guard.rows import read_prompts, read_rows, read_seed

    rows = read_rows(folder, params.fit, params.for_threshold, fit=True)
    for more in (read_seed(folder), read_prompts(Path(params.prompts))):
        rows.rows += more.rows
        rows.dropped += more.dropped
    words = lexicon(params.lexicons, params.switched_languages)
    rows.rows += switched([r for r in rows.rows if r.use == "fit"], words, params.switched_rows, seed)
    return rows


def lexicon(folders: Sequence[str], languages: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """Language -> English word -> words, out of the word lists in the folders."""
    found: dict[str, dict[str, list[str]]] = {language: {} for language in languages}
    for folder in folders:
        for path in sorted(Path(folder).glob("*.tsv")):
            with path.open(encoding="utf-8", newline="") as stream:
                for row in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
                    for language in languages:
                        if words := [w for w in (row.get(language) or "").split("|") if w]:
                            found[language][str(row["en"]).lower()] = words
    return found


def _write(
    params: GuardParams, folder: Path, fitted: "Fitted", kept: "Sequence[Row]", encoder: "Encoder"
) -> None:
    """Quantise, calibrate, choose thresholds with what is written, write again with them."""
    import msgspec
    import numpy as np

    from rumpun.guard.guard import Guard
    from rumpun.guard.heads import ANSWERS, ANY, HeadsSpec, write_heads
    from rumpun.guard.judgement import POINTS, Point
    from rumpun.guard.thresholds import calibrate, choose
    from rumpun.language.heads import quantised

    small, scale = quantised(fitted.ngrams)
    tensors: dict[str, Any] = {
        "dense": fitted.dense.astype(np.float16),
        "ngrams": small,
        "scale": scale,
        "bias": fitted.bias,
    }
    open_: dict[Point, Any] = {
        point: {label: {ANY: (0.5, 0.5)} for label in fitted.labels} for point in POINTS
    }
    spec = HeadsSpec(
        schema=2, name=_NAME, labels=fitted.labels, lengths=params.ngram_lengths,
        encoder=encoder.spec.files["encoder.onnx"], sha256="", calibration={ANY: (1.0, 0.0)}, thresholds=open_,
        off=fitted.off,
    )  # fmt: skip
    write_heads(folder, spec, tensors)
    guard = Guard.load(folder, encoder=encoder)
    logits, _ = guard.logits([row.text for row in kept])
    calibration = calibrate(logits[:, 0], kept)
    spec = write_heads(
        folder,
        msgspec.structs.replace(spec, calibration=calibration),
        tensors,
    )
    guard = Guard.load(folder, encoder=encoder)
    promises: dict[Point, Promise] = {point: params.promises[point] for point in POINTS}

    def chosen(role: str) -> dict[Point, dict[str, dict[str, tuple[float, float]]]]:
        safe = [n for n, row in enumerate(kept) if not row.unsafe and row.role == role]
        odds = np.stack([guard.heads.probabilities(logits[n], kept[n].language) for n in safe])
        scores = {label: odds[:, place] for place, label in enumerate(fitted.labels)}
        return choose(scores, [kept[n] for n in safe], promises)

    thresholds = chosen("prompt")
    if any(row.role == "answer" for row in kept):
        answers = chosen("answer")
        for point, heads in thresholds.items():
            for label, table in heads.items():
                table[ANSWERS] = answers[point][label][ANY]
    write_heads(
        folder,
        msgspec.structs.replace(spec, thresholds=thresholds),
        tensors,
    )


def _together(row: "Row") -> "Row":
    """The seed sentences are told as one set."""
    return replace(row, source="seed") if row.source.startswith("seed-") else row


def _counts(rows: "Sequence[Row]") -> dict[str, dict[str, int]]:
    """What they are -> language -> rows."""
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        kind = f"{'unsafe' if row.unsafe else 'safe'}{', augmented' if row.augmented else ''}"
        found.setdefault(kind, Counter())[row.language] += 1
    return {kind: dict(sorted(size.items())) for kind, size in sorted(found.items())}


def _encoder_source(encoder: "Encoder") -> tuple[SourceEntry, ...]:
    return (
        SourceEntry(
            name=encoder.spec.name,
            licence="Apache-2.0",
            sha256=encoder.spec.files["encoder.onnx"],
            role="base",
        ),
    )


def row_sources(folder: Path, fitted: "Sequence[Row]", measured: "Sequence[Row]") -> tuple[SourceEntry, ...]:
    """The data sets of the rows, with licence, count and place."""
    from rumpun.guard.inventory import origins

    known = origins(folder)
    entries = []
    for role, rows in (("text", fitted), ("benchmark", measured)):
        size = Counter(
            (row.source, row.part if row.url else "", row.licence) for row in rows if not row.augmented
        )
        home = {(row.source, row.part if row.url else ""): _repository(row.url) for row in rows if row.url}
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
                    role="seed" if source.startswith("seed-") or source == "prompts" else role,
                )
            )
    return tuple(entries)


def _repository(url: str) -> str:
    """The address of the repository that a file's address lies in: host, owner and name; "" for what is no address."""
    return "/".join(url.split("/")[:5]) if "://" in url else ""
