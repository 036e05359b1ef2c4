"""Texts of `rumpun eval` for a terminal."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rumpun.cli.evaluate_details import detail_lines
from rumpun.cli.evaluate_reviews import review_lines
from rumpun.evaluate.costs import costs_of
from rumpun.evaluate.records import Cell, Difference, Figure, Scores
from rumpun.evaluate.report.gains import LOWER, Gain, Gains, gain_of, headline, of_metric
from rumpun.evaluate.report.numbers import DASH, number, p_value, unit_of
from rumpun.evaluate.run import Plan
from rumpun.evaluate.tasks import skills
from rumpun.language.tables import WORKING

if TYPE_CHECKING:
    from rumpun.evaluate.lint import Problem
    from rumpun.evaluate.predictions import Report

__all__ = ["bpb_text", "plan_text", "problem_lines", "report_text", "scores_text", "tasks_text"]

_PROBLEMS = 10  # shown one by one
_ROUGH = 5.0  # half an interval from which a figure is shown without digits after the point


def tasks_text(rows: Sequence[Mapping[str, Any]], suites: Mapping[str, Sequence[str]]) -> str:
    """Tasks, one a line, and suites."""
    lines = [f"{'task':26}{'skill':15}{'items':>7}  {'licence':14}languages"]
    lines += [
        f"{row['task']:26}{row['skill']:15}{number(row['items']):>7}  {row['licence']:14}{' '.join(row['languages'])}"
        for row in rows
    ]
    if any(row["items"] is None for row in rows):
        lines.append(f"{DASH}: not at hand; --data or RUMPUN_DATA names a mirror of the data folder")
    return "\n".join(lines + [f"\nsuite {name}: {', '.join(own)}" for name, own in suites.items()])


def plan_text(made: Plan) -> str:
    """What would be asked, what it could see, what is missing."""
    count = sum(len(cell.items) for cell in made.cells)
    lines = [f"suite {made.suite}: {count:,} items in {len({c.language for c in made.cells})} languages", ""]
    by: dict[str, list[Any]] = {}
    for cell in made.cells:
        by.setdefault(cell.task.name, []).append(cell)
    lines.append(f"{'task':26}{'items':>7}{'languages':>11}   sees in one language a gain of")
    for name, cells in by.items():
        sees = [cell.detectable for cell in cells if cell.detectable is not None and cell.detectable <= 100]
        least, most = (f"{end:.0f}" for end in (min(sees), max(sees))) if sees else ("", "")
        said = f"{least if least == most else f'{least} to {most}'} points" if sees else DASH
        lines.append(f"{name:26}{sum(len(c.items) for c in cells):>7,}{len(cells):>11}   {said}")
    if made.detectable is not None:
        lines.append(
            f"over all tasks and languages it sees a gain of {made.detectable:.1f} points (p < 0.05, four times in five)"
        )
    lines += _absent(made.missing, made.not_run, [])
    lines += _counted("left out of the items", made.dropped)
    lines += _counted("the lint found", made.lint)
    return "\n".join(lines)


def _counted(title: str, counts: Mapping[str, int]) -> list[str]:
    said = "; ".join(f"{name} {count:,}" for name, count in Counter(counts).most_common())
    return [f"{title}: {said}"] if said else []


def scores_text(scores: Scores, *, every: bool = False) -> str:
    """Which model is better; a table a model (languages by tasks); what was found; what is not in it.

    Args:
        scores: the run's.
        every: every difference, not only those that were found.
    """
    languages = list(scores.made["languages"])
    blocks = [_headline(scores, languages)] if len(scores.models) > 1 else []
    blocks += [
        [info.name, *_by_task(scores, info.name, languages), *_costs(scores, info.name, languages)]
        for info in scores.models
    ]
    if len(scores.models) > 1:
        blocks.append(_gains(scores, languages, every=every))
    blocks.append(detail_lines(scores, languages))
    blocks.append(review_lines(scores))
    blocks.append(_counts(scores, languages))
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _headline(scores: Scores, languages: Sequence[str]) -> list[str]:
    """The result in plain words: in how many languages which is better, then over all of them."""
    lines = [f"{scores.models[0].name} against {scores.models[1].name}"]
    gains = headline(scores, languages)
    if gains is None:
        return [*lines, "Nothing was compared: no item has a score from both models."]
    if not gains.lower:
        lines += _verdicts("tasks", gains)
        whole = next((row for row in gains.rows if row.language == "*"), None)
        if whole or len(gains.rows) == 1:
            sees = scores.made.get("detectable")
            seen = f"; the suite can see {sees:.1f}" if sees else ""
            lines.append(f"  over all: {_gain(whole or gains.rows[0])}{seen}")
    for metric, title in (("bits_per_byte", "bits per byte"), ("tokens_per_character", "tokens a character")):
        costs = of_metric(scores, metric, languages)
        if costs:
            lines += _verdicts(title, costs)
    return lines


def _verdicts(title: str, gains: Gains) -> list[str]:
    better, worse, unclear = (gains.of(verdict) for verdict in ("better", "worse", "unclear"))
    count = len(better) + len(worse) + len(unclear)
    what = f"{title}: better in {len(better)} of {count} language{'' if count == 1 else 's'}, worse in {len(worse)}"
    lines = [what + (f", no difference found in {len(unclear)}" if unclear else "")]
    for verdict, tags in (("better", better), ("worse", worse)):
        if tags:
            lines.append(f"  {verdict}: {' '.join(tags)}")
    return lines


def _gain(one: Gain) -> str:
    unit = unit_of(one.metric)
    said = f"{one.value} {unit} ({one.span})"
    p = one.p_holm if one.p_holm is not None else one.p
    return said if p is None else f"{said}, p {p_value(p)}"


def _by_task(scores: Scores, model: str, languages: Sequence[str]) -> list[str]:
    cells = {(c.language, c.task): c for c in scores.cells if c.model == model and c.normalised}
    names = list(
        dict.fromkeys(task for skill in skills() for (_, task), c in cells.items() if c.skill == skill)
    )
    if not names:
        return []
    widths = [max(len(name), 9) + 2 for name in names]
    lines = [
        f"{'':6}" + "".join(f"{name:>{w}}" for name, w in zip(names, widths, strict=True)) + f"{'mean':>8}"
    ]
    told = {m.name: m.figure for m in scores.means if m.model == model and m.over == "language"}
    for language in languages:
        row = "".join(f"{_cell(cells.get((language, n))):>{w}}" for n, w in zip(names, widths, strict=True))
        lines.append(f"{language:6}{row}{_mean(told.get(language)):>8}")
    every = next((m for m in scores.means if m.model == model and m.over == "all"), None)
    if every and every.figure:
        lacking = (
            f"; without {', '.join(every.missing)}, which not every language has" if every.missing else ""
        )
        lines.append(f"mean of {', '.join(every.cells)}: {_mean(every.figure)}{lacking}")
    return lines


def _cell(cell: Cell | None) -> str:
    if cell is None or cell.normalised is None:
        return DASH
    figure = cell.normalised
    if figure.ci95 is None:
        return number(figure.value)
    half = (figure.ci95[1] - figure.ci95[0]) / 2
    digits = 0 if half >= _ROUGH else 1
    return f"{number(figure.value, digits)} ±{half:.{digits}f}"


def _mean(figure: Figure | None) -> str:
    return DASH if figure is None else number(figure.value)


def _costs(scores: Scores, model: str, languages: Sequence[str]) -> list[str]:
    """Bits per byte and tokens a character, a line each; then what a character costs beside English, and of a context."""
    lines = []
    for metric in ("bits_per_byte", "tokens_per_character", "tokens_against_english"):
        found = {
            c.language: c.metrics[metric] for c in scores.cells if c.model == model and metric in c.metrics
        }
        if found:
            said = "  ".join(f"{tag} {number(found[tag].value, 2)}" for tag in languages if tag in found)
            lines.append(f"{unit_of(metric)}: {said}")
    told = {one.language: one for one in costs_of(c for c in scores.cells if c.model == model)}
    if beside := [(tag, told[tag].against_english) for tag in languages if tag in told and "en" in told]:
        lines.append("a character beside English: " + "  ".join(f"{tag} {number(at)}×" for tag, at in beside))
    if told:
        held = "  ".join(
            f"{tag} {number(told[tag].characters_in_1000_tokens, 0)}" for tag in languages if tag in told
        )
        lines.append(f"characters in 1,000 tokens: {held}")
    return lines


def _gains(scores: Scores, languages: Sequence[str], *, every: bool) -> list[str]:
    """Differences task by task: those that were found, or every one."""
    rows = [gain for one in _sorted(scores.differences, languages) if (gain := gain_of(one)) is not None]
    shown = [gain for gain in rows if every or gain.verdict != "unclear"]
    if not shown:
        return []
    one, other = scores.models[0].name, scores.models[1].name
    what = "all differences" if every else "differences found"
    lines = [f"{what}: {one} less {other}, 95 % interval, p after Holm over languages"]
    for gain in shown:
        task = "all tasks" if gain.task == "*" else gain.task
        tag = "all" if gain.language == "*" else gain.language
        p = gain.p_holm if gain.p_holm is not None else gain.p
        said = f"{gain.value:>7} {unit_of(gain.metric):19}{gain.span:>17}{'' if p is None else f'   p {p_value(p)}'}"
        lines.append(f"{task:26}{tag:5}{said}".rstrip())
    return lines


def _sorted(found: Sequence[Difference], languages: Sequence[str]) -> list[Difference]:
    """Whole suites first, then tasks in their order, costs last; languages in the order asked."""
    tasks = list(dict.fromkeys(one.task for one in found))
    place = {tag: n for n, tag in enumerate(["*", *languages])}
    return sorted(
        found,
        key=lambda d: (
            d.metric in LOWER,
            d.task != "*",
            tasks.index(d.task),
            place.get(d.language, len(place)),
        ),
    )


def _counts(scores: Scores, languages: Sequence[str]) -> list[str]:
    """How to read the figures, and what they leave out or hold against a model."""
    lines = []
    if any(cell.normalised for cell in scores.cells):
        lines.append("0 is guessing, 100 all right; ± is half of a 95 % interval; – is not there")
    for info in scores.models:
        own = [cell for cell in scores.cells if cell.model == info.name]
        said = {
            "no answer could be read in": sum(cell.parse_failures for cell in own),
            "cut off": sum(cell.truncated for cell in own),
            "no answer came for": sum(cell.errors for cell in own),
        }
        if any(said.values()):
            lines.append(
                f"{info.name}: " + ", ".join(f"{name} {count:,}" for name, count in said.items() if count)
            )
    lines += _absent(scores.missing, scores.not_run, languages)
    lines += _counted("left out of the items", scores.made.get("dropped", {}))
    return lines


def _absent(
    missing: Sequence[Mapping[str, str]], not_run: Sequence[Mapping[str, str]], languages: Sequence[str]
) -> list[str]:
    """What has no figure, and why: tasks with their languages."""
    by: dict[tuple[str, str], dict[str, list[str]]] = {}
    for one in missing:
        by.setdefault(("no items of", ""), {}).setdefault(one["skill"], []).append(one["language"])
    for one in not_run:
        by.setdefault(("not run", one["why"]), {}).setdefault(one["task"], []).append(one["language"])
    lines = []
    for (what, why), tasks in by.items():
        said = "; ".join(f"{task} in {_in(tags, languages)}" for task, tags in tasks.items())
        lines.append(f"{what} {said}" if not why else f"{what}, {why}: {said}")
    return lines


def _in(tags: Sequence[str], languages: Sequence[str]) -> str:
    own = list(dict.fromkeys(tags))
    return "all languages" if len(languages) > 1 and set(own) == set(languages) else " ".join(own)


def problem_lines(problems: Sequence["Problem"]) -> list[str]:
    """What the lint found in items: the first few, and how many more."""
    lines = [f"items: {one.kind}: {one.id or one.language}: {one.what}" for one in problems[:_PROBLEMS]]
    more = len(problems) - _PROBLEMS
    if more > 0:
        lines.append(
            f"items: {more:,} more fault{'s' if more > 1 else ''}; `rumpun eval lint` lists those of a file"
        )
    return lines


def report_text(report: "Report") -> str:
    """Figures of answers made elsewhere."""
    lines = [f"{report.task} {report.language}: {report.n:,} items"]
    if report.errors or report.parse_failures:
        lines[0] += f", {report.errors:,} null, no answer read in {report.parse_failures:,}"
    for metric, value in report.metrics.items():
        span = report.ci95.get(metric)
        lines.append(f"  {metric:32}{value:10.4f}" + (f"  ({span[0]:.4f} to {span[1]:.4f})" if span else ""))
    normalised = DASH if report.normalised is None else f"{report.normalised:.4f}"
    lines.append(f"  {'normalised':32}{normalised:>10}")
    return "\n".join(lines + [f"  a fault of SEA-HELM in this: {fault}" for fault in report.faults])


def bpb_text(measured: Mapping[str, Any], names: Sequence[str]) -> str:
    """Bits per byte by language."""
    lines = [f"bits per byte; model: {names[0]}" + (f", against: {names[1]}" if len(names) > 1 else "")]
    lines.append(f"{'':6}{'model':>9}{'against':>9}   {'difference, 95 %':22}{'documents':>10}{'bytes':>11}")
    for tag in [*WORKING, *(tag for tag in measured if tag not in WORKING)]:
        row = measured.get(tag, {})
        span = row.get("difference")
        said = f"{span[0]:+.4f} to {span[1]:+.4f}" if span else ""
        figures = "".join(
            f"{'' if (v := row.get(k)) is None else f'{v:.4f}':>9}" for k in ("model", "against")
        )
        lines.append(f"{tag:6}{figures}   {said:22}{row.get('documents', ''):>10}{row.get('bytes', ''):>11}")
    return "\n".join(lines)
