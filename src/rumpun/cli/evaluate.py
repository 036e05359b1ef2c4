"""`rumpun eval`: measure models."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rumpun.cli.evaluate_files import MORE
from rumpun.errors import UsageError

if TYPE_CHECKING:
    from rumpun.evaluate.records import Scores

_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_DATA = click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="A mirror of the data folder, for public sets (default: RUMPUN_DATA).",
)


@click.group()
def evaluate() -> None:
    """Measure models."""


@evaluate.command()
@click.argument("model")
@click.option("--against", help="A second model, put to the same items: the difference is the headline.")
@click.option(
    "--suite", default="region", show_default=True, help="Which tasks: `rumpun eval tasks` lists them."
)
@click.option("--tasks", default="", help="Only these, with commas between.")
@click.option(
    "--languages", default="", help="Tags, with commas between (default: the eleven working languages)."
)
@click.option(
    "--limit", type=click.IntRange(min=1), help="The first so many items of each task and language."
)
@click.option(
    "--method",
    type=click.Choice(["likelihood", "letters", "generate"]),
    help="How options and labels are asked, where the engine and the task can (default: by likelihood).",
)
@click.option(
    "--template",
    type=click.IntRange(min=0),
    help="Which variant of the instruction (default: they take turns).",
)
@click.option(
    "--runs",
    default=1,
    show_default=True,
    type=click.IntRange(1, 100),
    help="Of what is generated, each with its own seed.",
)
@click.option("--temperature", default=0.0, show_default=True, type=click.FloatRange(0, 2))
@click.option("--seed", default=0, show_default=True, type=int)
@click.option(
    "--budget-minutes",
    "minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="Ask nothing new after so long; the same run again goes on.",
)
@click.option(
    "--into", type=click.Path(path_type=Path), help="Folder of scores.json, samples.jsonl and report.html."
)
@click.option(
    "--cache", type=click.Path(path_type=Path), help="File of answers (default: in the cache folder)."
)
@click.option(
    "--concurrency",
    default=8,
    show_default=True,
    type=click.IntRange(1, 256),
    help="Questions under way at a server.",
)
@click.option(
    "--per-minute",
    default=0,
    type=click.IntRange(min=0),
    help="Questions to a server at most (default: no limit).",
)
@click.option(
    "--ray",
    is_flag=True,
    help="Share the work out to several engines on the Ray cluster at RAY_ADDRESS, or on this machine; MODEL may be"
    " several addresses of one model, with commas between.",
)
@click.option(
    "--ray-workers",
    type=click.IntRange(1, 1024),
    help="Engines at once with --ray (default: one a machine, two where there is one).",
)
@click.option(
    "--judge",
    default="",
    help="A model that says which criteria a conversation meets: what MODEL may be, usually an address.",
)
@click.option(
    "--judge-labels",
    "labels",
    type=click.Path(path_type=Path),
    help='Lines {"id", "turn", "criterion", "met"} by people: how far the judge agrees with them, by language.',
)
@click.option(
    "--guard-url",
    default="",
    help="A guard, such as http://127.0.0.1:8765/v1: it is asked whether answers of the task answerable may pass.",
)
@click.option(
    "--plan", "only_plan", is_flag=True, help="Say what would be asked and what it could see; ask nothing."
)
@click.option("--all", "every", is_flag=True, help="Print every difference, not only those that were found.")
@_DATA
@_JSON
def run(  # noqa: PLR0917  (one for each option)
    model: str, against: str | None, suite: str, tasks: str, languages: str, minutes: float | None, into: Path | None,
    cache: Path | None, concurrency: int, per_minute: int, ray: bool, ray_workers: int | None, only_plan: bool, every: bool, data: Path | None, as_json: bool,
    labels: Path | None, guard_url: str, **settings: Any,
) -> None:  # fmt: skip
    """Put a suite to MODEL: base, default, a GGUF, a folder of weights, a catalogue name or an address.

    Answers are kept: a run that was cut off goes on, and the same run again asks nothing.
    """
    from rumpun.cli.evaluate_show import plan_text, scores_text
    from rumpun.cli.show import progress_bars, put_json
    from rumpun.evaluate.ask import Asking
    from rumpun.evaluate.reviews import Review, reviewers
    from rumpun.evaluate.run import Settings
    from rumpun.evaluate.runs import plan_suite, run_suite
    from rumpun.language.tables import WORKING

    if ray_workers and not ray:
        raise UsageError(f"--ray-workers {ray_workers} without --ray", "add --ray")
    tags = tuple(dict.fromkeys(_listed(languages))) or WORKING
    settings["limit"] = settings["limit"] or 0
    with progress_bars() as start:
        made = plan_suite(
            suite, Settings(languages=tags, **settings), _listed(tasks), data=data, progress=start("items")
        )
        if only_plan:
            found = None
        else:
            review = Review(judge=settings["judge"], labels=labels, guard_url=guard_url)
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
        click.echo(f"\n{found.asked:,} questions asked, {found.kept:,} answered from before")
        click.echo(f"{found.folder}: scores.json, samples.jsonl, report.html")
    _leave(found.scores)


def _listed(text: str) -> list[str]:
    return [one.strip() for one in text.split(",")] if text else []


def _leave(scores: "Scores") -> None:
    """A run with errors is no success, and says so to whatever called it."""
    errors = sum(cell.errors for cell in scores.cells)
    if errors:
        click.echo(
            f"{errors:,} questions got no answer: they are left out of every figure; run again to ask them again",
            err=True,
        )
        raise SystemExit(5)


@evaluate.command("tasks")
@_DATA
@_JSON
def list_tasks(data: Path | None, as_json: bool) -> None:
    """Tasks with their skill, languages, items and licences; suites."""
    from rumpun.cli.evaluate_show import tasks_text
    from rumpun.cli.show import put_json
    from rumpun.evaluate.listing import task_rows
    from rumpun.evaluate.tasks import suites

    rows = task_rows(data)
    if as_json:
        put_json({"tasks": rows, "suites": suites()})
    else:
        click.echo(tasks_text(rows, suites()))


@evaluate.command()
@click.argument("predictions", type=click.Path(path_type=Path))
@click.option("--task", "name", required=True, help="One of ours (`rumpun eval tasks`) or of SEA-HELM's.")
@click.option("--language", required=True, help="Its tag.")
@click.option("--items", type=click.Path(path_type=Path), help="The task's items, native or SEA-HELM's rows.")
@click.option(
    "--compat",
    type=click.Choice(["seahelm"]),
    help="Parse, score and normalise as SEA-HELM does, faults included.",
)
@click.option(
    "--detected",
    type=click.Path(path_type=Path),
    help='Lines {"id", "detected"}: the language of each answer, for if-eval.',
)
@click.option(
    "--external",
    type=click.Path(path_type=Path),
    help='Lines {"id", "score"}: a neural metric\'s or a judge\'s word on each answer.',
)
@_DATA
@_JSON
def score(as_json: bool, **options: Any) -> None:
    """Score answers made elsewhere: PREDICTIONS has lines {"id": …, "prediction": "…" or null}."""
    from rumpun.cli.evaluate_show import problem_lines, report_text
    from rumpun.cli.show import put_json
    from rumpun.evaluate.predictions import score_predictions

    report = score_predictions(**options)
    for line in problem_lines(report.problems):
        click.echo(line, err=True)
    if as_json:
        put_json(report.facts())
    else:
        click.echo(report_text(report))


@evaluate.command()
@click.argument("model")
@click.option("--against", help="A second model, measured on the same texts.")
@click.option(
    "--text",
    "texts",
    required=True,
    type=click.Path(path_type=Path),
    help='Lines {"text": …, "language": …}.',
)
@click.option("--limit", type=click.IntRange(min=1), help="The first so many texts of each language.")
@_JSON
def bpb(model: str, against: str | None, texts: Path, limit: int | None, as_json: bool) -> None:
    """Bits per byte of MODEL, per language: base, default, a GGUF, a folder of weights or a catalogue name."""
    from rumpun.cli.evaluate_show import bpb_text
    from rumpun.cli.show import progress_bars, put_json
    from rumpun.engines.load import open_engine, resolve
    from rumpun.evaluate.bpb import figures, score_texts
    from rumpun.evaluate.texts import read_texts

    documents = read_texts(texts, limit or 0)
    names = [model] if against is None else [model, against]
    with progress_bars() as progress:
        found = [resolve(name, progress=progress("finding")) for name in names]
        scores = []
        for place in found:  # one after the other, so that only one is in memory
            engine = open_engine(place)
            try:
                scores.append(score_texts(engine, documents, progress("scoring")))
            finally:
                engine.close()
    table = figures(documents, scores[0], scores[1] if against is not None else None)
    if as_json:
        put_json(table)
        return
    click.echo(bpb_text(table["languages"], names))


for command in MORE:
    evaluate.add_command(command)
