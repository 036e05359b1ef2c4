"""One run as a page: what was compared, what came of it, how sure that is, and what it cannot show."""

from collections.abc import Mapping, Sequence
from typing import Any

from rumpun.evaluate.records import ModelInfo, Sample, Scores
from rumpun.evaluate.report import sections
from rumpun.evaluate.report.again import command
from rumpun.evaluate.report.gains import Gains, headline
from rumpun.evaluate.report.numbers import finite, number
from rumpun.evaluate.report.page import render
from rumpun.evaluate.report.shown import shown_items
from rumpun.evaluate.report.text import language_name, short
from rumpun.evaluate.report.view import View, skill_columns, view

__all__ = ["REPORT", "report_html"]

REPORT = "report.html"


def report_html(scores: Scores, samples: Sequence[Sample], against: Sequence[Sample] = ()) -> str:
    """The report of a run, in HTML: one file that loads nothing and runs no script.

    Args:
        scores: the run's.
        samples: of the model; some of them are shown.
        against: of the model it was put against.
    """
    found = view(scores)
    gains = headline(scores, found.languages)
    names = found.names or ("the model",)
    return render(
        "report.html.jinja",
        title=" against ".join(names[:2]),
        names=found.names,
        found=found,
        facts=_facts(scores),
        digests=[short(info.digest, 160) for info in found.models],
        lines=[_line(info) for info in found.models],
        gains=gains,
        sentence=_sentence(found, gains),
        said=_said(gains),
        mean=[found.mean(place, "all", "") for place in range(len(found.models))],
        skills=skill_columns(found),
        skill_rows=sections.skill_rows(found),
        profile=sections.profile(found),
        tables=sections.task_tables(found),
        costs=sections.costs(found),
        spent=sections.spent(found),
        failures=sections.failures(found),
        sees=finite(scores.made.get("detectable")),
        not_run=sections.not_run(found),
        lint=_counts(scores.made.get("lint")),
        dropped=_counts(scores.made.get("dropped")),
        licences=sections.licences(found),
        limits=sections.limits(found),
        shown=shown_items(samples, against, (*names, "the other model")[:2], found.tasks, found.languages),
        command=command(found),
        by_name=any(info.digest and not info.place for info in found.models) and "command" not in scores.made,
    )


def _sentence(found: View, gains: Gains | None) -> tuple[str, ...]:
    """The result in plain words; names of models stand at odd places."""
    if not any(found.cells):
        return ("Nothing was measured.",)
    names = found.names
    if gains is None or len(names) < 2:
        every = found.mean(0, "all", "")
        if every is None or every.figure is None:
            return ("", names[0], " was measured alone: there is no other model to hold it against.")
        score = number(every.figure.value)
        return ("", names[0], f" has a mean of {score}, where 0 is guessing and 100 is every item right.")
    better, worse, unclear = (len(gains.of(verdict)) for verdict in ("better", "worse", "unclear"))
    count = better + worse + unclear
    if not count:
        return ("", names[0], " and ", names[1], " were compared over all languages together alone.")
    languages = "language" if count == 1 else "languages"
    if not better + worse:
        return (f"In none of {count} {languages} can the test tell ", names[0], " from ", names[1], ".")
    tail = f"; in {unclear} the test cannot tell" if unclear else ""
    return (
        "", names[0], " is better than ", names[1],
        f" in {better or 'none'} of {count} {languages}, worse in {worse or 'none'}{tail}.",
    )  # fmt: skip


def _said(gains: Gains | None) -> list[tuple[str, str]]:
    """The languages of each verdict by name."""
    if gains is None:
        return []
    parts = [
        ("better", gains.of("better")),
        ("worse", gains.of("worse")),
        ("cannot tell", gains.of("unclear")),
    ]
    parts.append(("not compared", gains.without))
    return [(name, ", ".join(map(language_name, tags))) for name, tags in parts if tags]


def _facts(scores: Scores) -> list[tuple[str, str]]:
    """What the run was, beside its models."""
    made: Mapping[str, Any] = scores.made
    names = {
        "when": "when", "version": "rumpun", "limit": "items a task and language", "method": "method", "template": "instruction",
        "runs": "runs of what is generated", "temperature": "temperature", "seed": "seed", "seconds": "seconds",
    }  # fmt: skip
    said = [("suite", short(scores.suite))]
    for key, name in names.items():
        value = made.get(key)
        if value is not None and isinstance(value, (str, int, float)):
            said.append((name, "all" if key == "limit" and not value else short(value, 160)))
    return said


def _counts(value: Any) -> list[tuple[str, int]]:
    """A table of counts as a run stores it, the greatest first; empty where it is none."""
    if not isinstance(value, Mapping):
        return []
    told = [(str(name), count) for name, count in value.items() if isinstance(count, int)]
    return sorted(told, key=lambda one: (-one[1], one[0]))


def _line(info: ModelInfo) -> str:
    """What a model is, beside its name."""
    parts = [short(info.engine), short(info.architecture), short(info.place, 160)]
    parts += [f"{number(info.context_tokens)} tokens of context"] if info.context_tokens else []
    parts += [f"{number(info.vocabulary)} tokens of vocabulary"] if info.vocabulary else []
    return ", ".join(part for part in parts if part)
