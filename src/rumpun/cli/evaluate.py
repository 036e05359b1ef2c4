"""`rumpun eval`: measure models."""

from pathlib import Path
from typing import Any

import click

from rumpun.cli.evaluate_files import MORE
from rumpun.cli.evaluate_run import DATA, run

_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group()
def evaluate() -> None:
    """Measure models."""


@evaluate.command("tasks")
@DATA
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
@DATA
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


for command in (run, *MORE):
    evaluate.add_command(command)
