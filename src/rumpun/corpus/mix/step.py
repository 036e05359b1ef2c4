"""The step `corpus.mix`: kept documents -> which of them train and how often, which are held out, and the figures why.

The artefact holds `mixture.json`, the whole tree of weights, caps and amounts, and a part for each part of the documents,
row for row: key, place ("train", "heldout" or ""), times, and the rule, value and threshold of what the mixture itself
leaves out. `plan` computes the same and writes nothing.
"""

import json
import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rumpun.corpus.mix.held import choose, drop_overlaps
from rumpun.corpus.mix.params import MixParams
from rumpun.corpus.mix.pick import Chosen, Picks, choose_documents
from rumpun.corpus.mix.table import HELD, OVERLAP, RULES, UNMEASURED, Table, load
from rumpun.corpus.parts import write_part
from rumpun.corpus.texts import join_parts
from rumpun.errors import InputError, UsageError, nearest
from rumpun.recipes import Recipe
from rumpun.records.artefacts import sha256_file
from rumpun.steps import Outcome, Progress, Work, plan, quiet, step

__all__ = ["MIXTURE", "MixParams", "mix", "plan_rows", "plan_table"]

MIXTURE = "mixture.json"
_NEEDS = ("documents", "decisions", "attributes")


def _identity(params: MixParams) -> dict[str, str]:
    """The tokenizer's bytes bear on how tokens are counted."""
    if not params.tokenizer:
        return {}
    from rumpun.corpus.tokenizer import tokenizer_file

    return {"tokenizer": sha256_file(tokenizer_file(params.tokenizer))}


@step(kind="mixture", version=1, identity=_identity, part="corpus", needs=_NEEDS)
def mix(params: MixParams, work: Work) -> Outcome:
    """Hold out, weigh, cap and pick.

    Raises:
        InputError: parts that do not match, or nothing is left to train on.
    """
    folders = {kind: work.input(kind).folder for kind in _NEEDS}
    table, picks, how = _compute(folders, params, work.seed, work.scratch, work.progress)
    if not picks.times.any():
        raise InputError(
            "the mixture takes no document: everything was removed before, or every budget is 0",
            "look at the decisions' summary, and loosen filters, budgets or shares",
        )
    figures = _figures(table, picks, how, params)
    text = json.dumps(figures, ensure_ascii=False, indent=1) + "\n"
    (work.folder / MIXTURE).write_text(text, encoding="utf-8")
    _write_parts(table, picks, params, work.folder)
    return Outcome(
        languages=tuple(params.languages or figures["languages"]),
        summary={
            "unit": params.unit,
            "languages": {
                tag: {
                    key: item[key] for key in ("weight", "share", "available", "taken", "epochs", "held_out")
                }
                for tag, item in figures["languages"].items()
            },
            "dropped": figures["dropped"],
        },
        tools={"numpy": np.__version__},
    )


def _compute(
    folders: Mapping[str, Path], params: MixParams, seed: int, scratch: Path, progress: Progress
) -> tuple[Table, Picks, dict[str, str]]:
    parts = join_parts(folders["documents"], folders["attributes"], folders["decisions"])
    table = load(parts, params, seed, scratch, progress)
    kinds = source_kinds(folders["documents"])
    _check_sources(params, {*table.sources.all, *kinds})
    how = choose(table, params, seed)
    drop_overlaps(table, params, scratch, progress)
    progress(2, 3, "weighing and picking")
    return table, choose_documents(table, params, kinds), how


def _check_sources(params: MixParams, known: set[str]) -> None:
    named = [name for names in params.held_out_sources.values() for name in names]
    for where, names in (("held_out_sources", named), ("source_classes", list(params.source_classes))):
        for name in names:
            if name not in known:
                raise UsageError(f"{where}: no source is called '{name}'", nearest(name, sorted(known)))


def source_kinds(documents: Path) -> dict[str, str]:
    """Source -> its kind, from the documents' sources.json; none where it does not say."""
    path = documents / "sources.json"
    if not path.is_file():
        return {}
    listed = json.loads(path.read_text(encoding="utf-8"))
    rows = listed.items() if isinstance(listed, dict) else ((row.get("name", ""), row) for row in listed)
    return {name: str(row.get("kind", "")) for name, row in rows if isinstance(row, dict)}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _figures(table: Table, picks: Picks, how: Mapping[str, str], params: MixParams) -> dict[str, Any]:
    total = sum(item.taken for of in picks.chosen.values() for item in of)
    languages: dict[str, Any] = {}
    for tag in dict.fromkeys([*params.languages, *picks.chosen]):  # one without a document has a row of zeros
        chosen = picks.chosen.get(tag, [])
        held = table.of(tag, HELD)
        cut = picks.cuts.get(tag, (math.inf, -math.inf))
        available = sum(item.leaf.size for item in chosen)
        taken = sum(item.taken for item in chosen)
        languages[tag] = {
            "weight": picks.weights.get(tag, 0.0),
            "share": taken / total if total else 0.0,
            "available": available,
            "taken": taken,
            "limit": _finite(params.limit(tag)),
            "epochs": taken / available if available else 0.0,
            "epochs_max": params.caps(tag).epochs,
            "head_from": _finite(cut[0]),
            "middle_from": _finite(cut[1]),
            "held_out": {
                "by": how.get(tag, ""),
                "documents": len(held),
                "bytes": int(table.size[held].sum()),
                "overlapping": len(table.of(tag, OVERLAP)),
                "not_measured": len(table.of(tag, UNMEASURED)),
            },
            "leaves": [_leaf(item, total) for item in chosen],
        }
    counts = np.bincount(table.state, minlength=len(RULES)).tolist()
    return {
        "unit": params.unit,
        "budget": params.budget or None,
        "weights": params.weights,
        "taken": total,
        "documents": int((picks.times > 0).sum()),
        "tokens_per_byte": {name: round(rate, 4) for name, rate in sorted(table.rates.items())},
        "languages": languages,
        "dropped": {rule: count for rule, count in zip(RULES, counts, strict=True) if rule and count},
    }


def _leaf(item: Chosen, total: int) -> dict[str, Any]:
    return {
        "class": item.leaf.source_class,
        "source": item.leaf.source,
        "domain": item.leaf.domain,
        "bucket": item.leaf.bucket,
        "machine_translated": item.leaf.machine,
        "documents": item.documents,
        "taken_documents": item.taken_documents,
        "available": item.leaf.size,
        "target": round(item.target, 3),
        "taken": item.taken,
        "weight": item.taken / total if total else 0.0,
    }


def _write_parts(table: Table, picks: Picks, params: MixParams, folder: Path) -> None:
    import pyarrow as pa

    for part, first, end in zip(table.parts, table.starts, table.starts[1:], strict=False):
        state = table.state[first:end]
        place = np.select([state == HELD, picks.times[first:end] > 0], ["heldout", "train"], default="")
        rules = [RULES[n] or None for n in state.tolist()]
        threshold = picks.over[first:end].copy()
        threshold[state == UNMEASURED] = params.held_out_documents_per_language
        columns = {
            "key": pa.array(np.arange(first, end, dtype=np.uint64)),
            "place": pa.array(place.tolist(), type=pa.string()),
            "times": pa.array(picks.times[first:end]),
            "rule": pa.array(rules, type=pa.string()),
            "value": pa.array(picks.running[first:end], from_pandas=True),
            "threshold": pa.array(threshold, from_pandas=True),
        }
        write_part(folder, part.number, pa.table(columns))


def plan_rows(figures: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A mixture's figures as rows to print: one a language, followed by one a source of it.

    Keys: language, class, source (both empty in a language's own row), documents, available, target, taken, epochs, share
    (of the whole mixture), by_quality (bucket -> taken).
    """
    rows: list[dict[str, Any]] = []
    total = figures["taken"]
    for tag, item in figures["languages"].items():
        rows.append(_plan_row(tag, "", "", item["leaves"], total))
        sources: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        for leaf in item["leaves"]:
            sources.setdefault((leaf["class"], leaf["source"]), []).append(leaf)
        rows += [_plan_row(tag, *names, leaves, total) for names, leaves in sources.items()]
    return rows


def _plan_row(
    tag: str, source_class: str, source: str, leaves: Sequence[Mapping[str, Any]], total: int
) -> dict[str, Any]:
    sums = {key: sum(leaf[key] for leaf in leaves) for key in ("documents", "available", "target", "taken")}
    by_quality: dict[str, int] = {}
    for leaf in leaves:
        by_quality[leaf["bucket"]] = by_quality.get(leaf["bucket"], 0) + leaf["taken"]
    return {
        "language": tag,
        "class": source_class,
        "source": source,
        **sums,
        "target": round(sums["target"]),
        "epochs": round(sums["taken"] / sums["available"], 3) if sums["available"] else 0.0,
        "share": sums["taken"] / total if total else 0.0,
        "by_quality": by_quality,
    }


def plan_table(recipe: Recipe, store: Path, progress: Progress = quiet) -> list[dict[str, Any]]:
    """The rows of a recipe's mixture, as `plan_rows`, before anything of it is written.

    Where the mixture stands already its own figures are shown; else they are computed from the documents, attributes and
    decisions that stand in the store.

    Raises:
        UsageError: the recipe has no step `corpus.mix`, or the steps before it have not been run.
    """
    planned = {item.name: item for item in plan(recipe, store)}
    wanted = next((item for item in planned.values() if item.uses == "corpus.mix"), None)
    if wanted is None:
        raise UsageError(
            f"recipe {recipe.name} has no step that uses corpus.mix", "name a recipe of a corpus"
        )
    if wanted.done:
        return plan_rows(json.loads((wanted.folder / MIXTURE).read_text(encoding="utf-8")))
    folders = {}
    for need in wanted.needs:
        if not planned[need].done:
            raise UsageError(
                f"recipe {recipe.name}: the step {need} has not been made, and the mixture stands on it",
                f"run it first: rumpun corpus build {recipe.path} (a mixture is only planned from what there is)",
            )
        folders[planned[need].step.kind] = planned[need].folder
    with tempfile.TemporaryDirectory() as scratch:
        table, picks, how = _compute(folders, wanted.params, recipe.seed, Path(scratch), progress)
    return plan_rows(_figures(table, picks, how, wanted.params))
