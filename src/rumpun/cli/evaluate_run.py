"""`rumpun eval run`: tasks or files of items, put to models."""

from collections.abc import Callable
from contextlib import closing
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rumpun.errors import UsageError

if TYPE_CHECKING:
    from rumpun.evaluate.records import Scores
    from rumpun.evaluate.run import Plan
    from rumpun.steps import Progress

__all__ = ["DATA", "run"]

_SUITE = "region"
_FILE = click.Path(path_type=Path)
DATA = click.option(
    "--data", type=_FILE, help="A mirror of the data folder, for public sets (default: RUMPUN_DATA)."
)

# What is asked.
_ASKED = (
    click.option("--against", help="A second model, put to the same items: the difference is the headline."),
    click.option("--suite", help=f"Which tasks: `rumpun eval tasks` lists them (default: {_SUITE})."),
    click.option("--tasks", default="", help="Only these, with commas between."),
    click.option(
        "--items", "files", multiple=True, type=_FILE,
        help="A file of your own items in place of a suite, or of SEA-HELM's rows; may be repeated.",
    ),
    click.option(
        "--task", "name", default="",
        help="With --items: the task whose prompt is used; with --config: SEA-HELM's name of it.",
    ),
    click.option("--labels", "own_labels", default="", help="With --items: all labels, with commas between (default: the rows')."),
    click.option("--config", type=_FILE, help="With --items: SEA-HELM's config.yaml of the task, whose prompts are used."),
    click.option(
        "--compat", type=click.Choice(["seahelm"]), help="With --config: read and score answers as SEA-HELM does, faults included."
    ),
    click.option(
        "--languages", default="", help="Tags, with commas between (default: the eleven working languages, or those of --items)."
    ),
    click.option("--limit", type=click.IntRange(min=1), help="The first so many items of each task and language."),
    DATA,
)  # fmt: skip
# How it is asked.
_WAYS = (
    click.option(
        "--method", type=click.Choice(["likelihood", "letters", "generate"]),
        help="How options and labels are asked, where the engine and the task can (default: by likelihood).",
    ),
    click.option("--template", type=click.IntRange(min=0), help="Which variant of the instruction (default: they take turns)."),
    click.option("--max-tokens", type=click.IntRange(min=1), help="Of an answer that is generated (default: what its task allows)."),
    click.option(
        "--runs", default=1, show_default=True, type=click.IntRange(1, 100), help="Of what is generated, each with its own seed."
    ),
    click.option("--temperature", default=0.0, show_default=True, type=click.FloatRange(0, 2)),
    click.option("--seed", default=0, show_default=True, type=int),
)  # fmt: skip
# Where, and how fast.
_PLACES = (
    click.option(
        "--budget-minutes", "minutes", type=click.FloatRange(min=0, min_open=True),
        help="Ask nothing new after so long; the same run again goes on.",
    ),
    click.option("--into", type=_FILE, help="Folder of scores.json, samples.jsonl and report.html."),
    click.option("--cache", type=_FILE, help="File of answers (default: in the cache folder)."),
    click.option(
        "--concurrency", default=8, show_default=True, type=click.IntRange(1, 256), help="Questions under way at a server."
    ),
    click.option(
        "--per-minute", default=0, type=click.IntRange(min=0), help="Questions to a server at most (default: no limit)."
    ),
    click.option(
        "--ray", is_flag=True,
        help="Share the work out to several engines on the Ray cluster at RAY_ADDRESS, or on this machine; MODEL may be"
        " several addresses of one model, with commas between. Judge and guard are asked from this machine alone.",
    ),
    click.option(
        "--ray-workers", type=click.IntRange(1, 1024),
        help="Engines at once with --ray (default: one a machine, two where there is one).",
    ),
)  # fmt: skip
# Who looks at the answers.
_REVIEWS = (
    click.option(
        "--judge", default="", help="A model that says which criteria a conversation meets: what MODEL may be, usually an address."
    ),
    click.option(
        "--judge-labels", "labels", type=_FILE,
        help='Lines {"id", "turn", "criterion", "met"} by people: how far the judge agrees with them, by language.',
    ),
    click.option(
        "--guard-url", default="",
        help="A guard, such as http://127.0.0.1:8765/v1: it is asked about the answers of answerable, and the prompts and answers of harmful.",
    ),
)  # fmt: skip
# What is shown.
_SHOWN = (
    click.option("--plan", "only_plan", is_flag=True, help="Say what would be asked and what it could see; ask nothing."),
    click.option("--all", "every", is_flag=True, help="Print every difference, not only those that were found."),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
)  # fmt: skip

F = TypeVar("F", bound=Callable[..., Any])


def _options(command: F) -> F:
    given = (*_ASKED, *_WAYS, *_PLACES, *_REVIEWS, *_SHOWN)
    return reduce(lambda made, option: option(made), reversed(given), command)


@click.command()
@click.argument("model")
@_options
def run(  # noqa: PLR0917  (one for each option)
    model: str, against: str | None, minutes: float | None, into: Path | None, cache: Path | None, concurrency: int,
    per_minute: int, ray: bool, ray_workers: int | None, only_plan: bool, every: bool, as_json: bool, labels: Path | None,
    guard_url: str, **asked: Any,
) -> None:  # fmt: skip
    """Put a suite, or your own items, to MODEL: base, default, a GGUF, a folder of weights, a catalogue name or an address.

    Answers are kept: a run that was cut off goes on, and the same run again asks nothing.
    """
    from rumpun.cli.evaluate_show import plan_text, scores_text
    from rumpun.cli.show import progress_bars, put_json
    from rumpun.evaluate.ask import Asking
    from rumpun.evaluate.reviews import Review, reviewers
    from rumpun.evaluate.runs import run_suite

    if ray_workers and not ray:
        raise UsageError(f"--ray-workers {ray_workers} without --ray", "add --ray")
    with progress_bars() as start:
        made = _planned(start("items"), **asked)
        if only_plan:
            found = None
        else:
            review = Review(judge=asked["judge"], labels=labels, guard_url=guard_url)
            with closing(reviewers(review, progress=start("finding"))) as looking:
                found = run_suite(
                    made, model, against, into=into, cache=cache, minutes=minutes, start=start, reviewers=looking,
                    asking=Asking(concurrency=concurrency, per_minute=per_minute), workers=ray_workers or 0 if ray else None,
                )  # fmt: skip
    if found is None:
        put_json(made.facts()) if as_json else click.echo(plan_text(made))
        return
    if as_json:
        put_json(found.scores)
    else:
        click.echo(scores_text(found.scores, every=every))
        if found.scores.made.get("files"):
            for note in dict.fromkeys(note for cell in found.scores.cells for note in cell.notes):
                click.echo(note)
        click.echo(f"\n{found.asked:,} questions asked, {found.kept:,} answered from before")
        click.echo(f"{found.folder}: scores.json, samples.jsonl, report.html")
    _leave(found.scores)


def _planned(  # noqa: PLR0917  (one for each option)
    progress: "Progress", suite: str | None, tasks: str, files: tuple[Path, ...], name: str, own_labels: str, config: Path | None,
    compat: str | None, languages: str, data: Path | None, limit: int | None, max_tokens: int | None, **ways: Any,
) -> "Plan":  # fmt: skip
    """The plan of a suite, or of files of items: options of the other kind are refused."""
    from rumpun.evaluate.run import Settings
    from rumpun.evaluate.runs import plan_items, plan_suite
    from rumpun.language.tables import WORKING

    tags = tuple(dict.fromkeys(_listed(languages)))
    settings = Settings(
        languages=tags if files else tags or WORKING, limit=limit or 0, max_tokens=max_tokens or 0, **ways
    )
    if not files:
        of_items = {"task": name, "labels": own_labels, "config": config, "compat": compat}
        if lacking := next((one for one, value in of_items.items() if value), ""):
            raise UsageError(f"--{lacking} without --items", "name a file of items with --items")
        return plan_suite(suite or _SUITE, settings, _listed(tasks), data=data, progress=progress)
    if both := next((one for one, value in (("suite", suite), ("tasks", tasks)) if value), ""):
        raise UsageError(f"--items and --{both} both", "ask a suite, or files of items")
    return plan_items(
        files,
        settings,
        name=name,
        labels=_listed(own_labels),
        config=config,
        compat=bool(compat),
        progress=progress,
    )


def _listed(text: str) -> list[str]:
    return [one.strip() for one in text.split(",")] if text else []


def _leave(scores: "Scores") -> None:
    """A run with errors is no success, and says so to whatever called it."""
    errors = sum(cell.errors for cell in scores.cells)
    if errors:
        where = (
            "count as wrong, as in SEA-HELM" if scores.made.get("compat") else "are left out of every figure"
        )
        click.echo(f"{errors:,} questions got no answer: they {where}; run again to ask them again", err=True)
        raise SystemExit(5)
