"""What `rumpun eval run` tells of the judge and the guard that looked at a model's answers."""

from collections.abc import Mapping
from typing import Any

from rumpun.evaluate.records import Figure, Scores
from rumpun.evaluate.report.numbers import DASH, number

__all__ = ["review_lines"]


def review_lines(scores: Scores) -> list[str]:
    """Lines on the judge, its agreement with people, and the guard; none where neither was named."""
    return [*_judge(scores.made.get("judge") or {}), *_guard(scores, scores.made.get("guard") or {})]


def _judge(told: Mapping[str, Any]) -> list[str]:
    if not told:
        return []
    lines = [f"judge: {told['name']}, {told['criteria']:,} criteria"]
    if told["judges_itself"]:
        lines.append("  it judged its own answers: models tend to favour themselves")
    if told["no_verdict"]:
        again = f" ({told['failed']:,} got no answer: run again)" if told["failed"] else ""
        by = ", ".join(f"{tag} {count:,}" for tag, count in told["no_verdict_by_language"].items())
        lines.append(f"  no verdict could be read on {told['no_verdict']:,}, which are left out: {by}{again}")
    found = told.get("agreement")
    if found is None:
        return [
            *lines,
            "  nobody's labels were given (--judge-labels): how far it can be trusted is not known",
        ]
    lines.append(f"  {'':6}{'labels':>7}{'items':>7}   {'agrees with people':26}Cohen's kappa")
    for tag, row in found["languages"].items():
        name = "all" if tag == "*" else tag
        raw, kappa = _figure(row["raw"], 100), _figure(row["kappa"], 1)
        lines.append(f"  {name:6}{row['labels']:>7,}{row['items']:>7,}   {raw:26}{kappa}")
    if found["not compared"]:
        lines.append(
            f"  {found['not compared']:,} labels are of no answer or criterion here, or have no verdict beside them"
        )
    return lines


def _guard(scores: Scores, told: Mapping[str, Any]) -> list[str]:
    if not told:
        return []
    if "why" in told:
        return [f"guard: {told['address']}: not asked, {told['why']}"]
    asked = f"guard: {told['address']}, {told['answers']:,} answers"
    asked += f" and {told['prompts']:,} prompts" if told.get("prompts") else ""
    asked += " (it takes no role: answers are judged as prompts)" if told.get("takes_role") is False else ""
    passed = any("passed_guard" in cell.metrics for cell in scores.cells)
    lines = [f"{asked}; those it lets pass, of 100:" if passed else asked]
    for info in scores.models:
        cells = [cell for cell in scores.cells if cell.model == info.name and "passed_guard" in cell.metrics]
        if cells:
            said = "  ".join(
                f"{cell.language} {number(100 * cell.metrics['passed_guard'].value)}" for cell in cells
            )
            lines.append(f"  {info.name}: {said}")
    if told["errors"]:
        lines.append(
            f"  it gave no verdict on {told['errors']:,}, which are left out; the first: {told['error']}"
        )
    return lines


def _figure(figure: Figure | None, scale: float) -> str:
    """A figure of a run that was just made."""
    if figure is None:
        return DASH
    digits = 1 if scale > 1 else 2
    said = number(scale * figure.value, digits)
    if figure.ci95 is None:
        return said
    low, high = (number(scale * end, digits) for end in figure.ci95)
    return f"{said} ({low} to {high})"
