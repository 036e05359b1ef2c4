"""`rumpun eval diff|report|leaderboard|export|import|lint`: what is done with runs and items that are there."""

from collections import Counter
from pathlib import Path

import click

__all__ = ["MORE"]

_RUN = click.Path(path_type=Path, exists=False)


@click.command()
@click.argument("a", type=_RUN)
@click.argument("b", type=_RUN)
@click.option("--model-a", help="Which model of A (default: its first).")
@click.option("--model-b", help="Which model of B (default: its first, or the second where A is B).")
@click.option("--html", type=click.Path(path_type=Path), help="Write a page too.")
@click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(min=1), help="Items shown of each kind."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def diff(  # noqa: PLR0917  (one for each option)
    a: Path, b: Path, model_a: str | None, model_b: str | None, html: Path | None, limit: int, as_json: bool
) -> None:
    """Items that flipped between two runs (folders of `rumpun eval run`), in their own script."""
    from rumpun.cli.show import put_json
    from rumpun.evaluate.report.flips import flips, flips_html, flips_text
    from rumpun.evaluate.runs import samples_of

    one, other = samples_of(a, model_a, 0), samples_of(b, model_b, 1 if a == b else 0)
    found = flips(one, other)
    if html:
        html.write_text(flips_html(found), encoding="utf-8")
    if as_json:
        put_json({"flips": found})
    else:
        click.echo(flips_text(found, limit=limit))


@click.command()
@click.argument("run", type=_RUN)
@click.option(
    "--into", type=click.Path(path_type=Path), help="The page (default: report.html in the run's folder)."
)
def report(run: Path, into: Path | None) -> None:
    """Write the report of RUN again."""
    from rumpun.evaluate.records import SCORES, read_scores
    from rumpun.evaluate.report.report import report_html
    from rumpun.evaluate.runs import samples_of

    scores = read_scores(run / SCORES)
    samples = [samples_of(run, info.name, 0) for info in scores.models]
    page = into or run / "report.html"
    page.write_text(report_html(scores, samples[0], samples[1] if len(samples) > 1 else ()), encoding="utf-8")
    click.echo(str(page))


@click.command()
@click.argument("runs", nargs=-1, required=True, type=_RUN)
@click.option("--into", required=True, type=click.Path(path_type=Path), help="The page to write.")
def leaderboard(runs: tuple[Path, ...], into: Path) -> None:
    """One page over many RUNS."""
    from rumpun.evaluate.records import SCORES, read_scores
    from rumpun.evaluate.report.leaderboard import leaderboard_html

    found = [(run.name, read_scores(run / SCORES)) for run in runs]
    into.write_text(leaderboard_html(found), encoding="utf-8")
    click.echo(str(into))


_FORM = click.Choice(["lm-eval", "inspect"])


@click.command("export")
@click.argument("run", type=_RUN)
@click.option("--form", required=True, type=_FORM, help="Whose layout.")
@click.option("--into", required=True, type=click.Path(path_type=Path), help="Folder for the files.")
def export_run(run: Path, form: str, into: Path) -> None:
    """Write RUN as lm-eval or Inspect write theirs."""
    from rumpun.evaluate.logs.inspect_log import export_inspect
    from rumpun.evaluate.logs.lm_eval import export_lm_eval

    paths = export_lm_eval(run, into) if form == "lm-eval" else export_inspect(run, into)
    for path in paths:
        click.echo(str(path))


@click.command("import")
@click.argument("log", type=_RUN)
@click.option("--form", required=True, type=_FORM, help="Whose layout.")
@click.option(
    "--into", required=True, type=click.Path(path_type=Path), help="Folder of the run that is made."
)
def import_run(log: Path, form: str, into: Path) -> None:
    """Read a LOG of lm-eval (its folder or results file) or of Inspect (.eval or .json) as a run."""
    from rumpun.evaluate.logs.inspect_log import import_inspect
    from rumpun.evaluate.logs.lm_eval import import_lm_eval

    found = import_lm_eval(log, into) if form == "lm-eval" else import_inspect(log, into)
    click.echo(f"{into}: {found.samples:,} samples of {', '.join(found.tasks) or 'no task'}")
    for warning in found.warnings:
        click.echo(f"  {warning}", err=True)


@click.command()
@click.argument("items", type=click.Path(path_type=Path))
@click.option("--language", default="", help="Of rows that name none.")
@click.option("--labels", default="", help="The task's labels, with commas between.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def lint(items: Path, language: str, labels: str, as_json: bool) -> None:
    """Faults of a file of ITEMS, before a model is asked: exit code 3 where there are some."""
    from rumpun.cli.show import put_json
    from rumpun.evaluate.public import load_path

    loaded = load_path(items, labels=[one for one in labels.split(",") if one], language=language)
    kinds = Counter(problem.kind for problem in loaded.problems)
    if as_json:
        put_json({"items": len(loaded.items), "problems": loaded.problems, "kinds": kinds})
    else:
        for problem in loaded.problems:
            click.echo(f"{problem.id or problem.language}: {problem.kind}: {problem.what}")
        click.echo(f"{len(loaded.items):,} items, {len(loaded.problems)} faults")
    if loaded.problems:
        raise SystemExit(3)


MORE = (diff, report, leaderboard, export_run, import_run, lint)
