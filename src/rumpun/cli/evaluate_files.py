"""`rumpun eval diff|report|leaderboard|aggregate|export|import|lint`: what is done with runs and items that are there."""

from collections import Counter
from pathlib import Path

import click

from rumpun.cli.evaluate_aggregate import aggregate
from rumpun.errors import InputError, UsageError

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
    from rumpun.evaluate.records import write_whole
    from rumpun.evaluate.report.flips import compared, flips, flips_html, flips_text
    from rumpun.evaluate.runs import samples_of

    one, other = samples_of(a, model_a, 0), samples_of(b, model_b, 1 if a == b else 0)
    found, both = flips(one, other), compared(one, other)
    models = [samples[0].model if samples else "nothing" for samples in (one, other)]
    folders = [folder.absolute().name for folder in (a, b)]
    names = (models[0], models[1]) if models[0] != models[1] else (folders[0], folders[1])
    if html:
        write_whole(html, flips_html(found, names=names, both=both).encode())
    if as_json:
        put_json({"flips": found, "compared": both})
    else:
        click.echo(flips_text(found, names=names, both=both, limit=limit))


@click.command()
@click.argument("run", type=_RUN)
@click.option(
    "--into", type=click.Path(path_type=Path), help="The page (default: report.html in the run's folder)."
)
def report(run: Path, into: Path | None) -> None:
    """Write the report of RUN again."""
    from rumpun.evaluate.records import SCORES, read_scores, write_whole
    from rumpun.evaluate.report.report import report_html
    from rumpun.evaluate.runs import samples_of

    scores = read_scores(run / SCORES)
    samples = [samples_of(run, info.name, 0) for info in scores.models]
    page = into or run / "report.html"
    write_whole(page, report_html(scores, samples[0], samples[1] if len(samples) > 1 else ()).encode())
    click.echo(str(page))


@click.command()
@click.argument("runs", nargs=-1, required=True, type=_RUN)
@click.option("--into", required=True, type=click.Path(path_type=Path), help="The page to write.")
def leaderboard(runs: tuple[Path, ...], into: Path) -> None:
    """One page over many RUNS."""
    from rumpun.evaluate.records import SCORES, read_scores, write_whole
    from rumpun.evaluate.report.leaderboard import leaderboard_html

    found = [(run.name, read_scores(run / SCORES)) for run in runs]
    write_whole(into, leaderboard_html(found).encode())
    click.echo(str(into))


@click.command("export")
@click.argument("run", type=_RUN)
@click.option(
    "--form",
    required=True,
    type=click.Choice(["lm-eval", "inspect", "inspect-json"]),
    help="Whose layout; Inspect has two, packed (.eval) and one JSON object a log (.json).",
)
@click.option("--into", required=True, type=click.Path(path_type=Path), help="Folder for the files.")
def export_run(run: Path, form: str, into: Path) -> None:
    """Write RUN as lm-eval or Inspect write theirs."""
    from rumpun.evaluate.logs.inspect_log import export_inspect
    from rumpun.evaluate.logs.lm_eval import export_lm_eval

    if form == "lm-eval":
        paths = export_lm_eval(run, into)
    else:
        paths = export_inspect(run, into, form="json" if form == "inspect-json" else "eval")
    for path in paths:
        click.echo(str(path))


@click.command("import")
@click.argument("log", type=_RUN)
@click.option("--form", required=True, type=click.Choice(["lm-eval", "inspect"]), help="Whose layout.")
@click.option(
    "--into", required=True, type=click.Path(path_type=Path), help="Folder of the run that is made."
)
@click.option(
    "--language",
    "languages",
    multiple=True,
    metavar="[TASK=]TAG",
    help="Of a task whose language neither its name nor its documents say, or of all such tasks; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def import_run(log: Path, form: str, into: Path, languages: tuple[str, ...], as_json: bool) -> None:
    """Read a LOG of lm-eval (its folder or results file) or of Inspect (.eval or .json, or a folder of them) as a run."""
    from rumpun.cli.show import put_json
    from rumpun.evaluate.logs.inspect_log import import_inspect
    from rumpun.evaluate.logs.lm_eval import import_lm_eval

    read = import_lm_eval if form == "lm-eval" else import_inspect
    found = read(log, into, languages=_told(languages))
    if as_json:
        put_json(
            {
                "run": str(into),
                "samples": found.samples,
                "tasks": found.tasks,
                "left": found.left,
                "warnings": found.warnings,
            }
        )
        return
    click.echo(f"{into}: {found.samples:,} samples of {', '.join(found.tasks) or 'no task'}")
    for warning in found.warnings:
        click.echo(f"  {warning}", err=True)


def _told(languages: tuple[str, ...]) -> dict[str, str]:
    """Task -> tag, as they are typed: `maths=th`, or `th` for all tasks that say none."""
    from rumpun.evaluate.logs.tally import OTHERS
    from rumpun.evaluate.texts import known_language

    found: dict[str, str] = {}
    for said in languages:
        task, _, tag = said.rpartition("=")
        if not known_language(tag):
            raise UsageError(f"--language {said}: no language '{tag}'", "give a BCP-47 tag, or TASK=TAG")
        if found.setdefault(task or OTHERS, tag) != tag:
            raise UsageError(
                f"--language {said}: {found[task or OTHERS]} was named already", "name one language"
            )
    return found


@click.command()
@click.argument("items", type=click.Path(path_type=Path))
@click.option(
    "--language",
    default="",
    help="Rows in this language alone; SEA-HELM's rows that name none are taken to be in it.",
)
@click.option("--labels", default="", help="The task's labels, with commas between.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def lint(items: Path, language: str, labels: str, as_json: bool) -> None:
    """Faults of a file of ITEMS, before a model is asked: exit code 3 where there are some."""
    from rumpun.cli.show import put_json
    from rumpun.evaluate.public import load_path
    from rumpun.evaluate.report.text import short, visible

    named = [one.strip() for one in labels.split(",") if one.strip()]
    loaded = load_path(items, labels=named, language=language)
    if loaded.missing:
        raise InputError(f"{items}: no item in {language} that can be scored", "name one of its languages")
    kinds = Counter(problem.kind for problem in loaded.problems)
    if as_json:
        put_json(
            {
                "items": len(loaded.items),
                "problems": loaded.problems,
                "kinds": kinds,
                "dropped": loaded.dropped,
            }
        )
    else:
        for problem in loaded.problems:
            where = short(problem.id or problem.language)
            click.echo(f"{where}: {problem.kind}: {visible(problem.what)}")
        items_told, faults_told = len(loaded.items), len(loaded.problems)
        click.echo(
            f"{items_told:,} {'item' if items_told == 1 else 'items'} can be scored,"
            f" {faults_told:,} {'fault' if faults_told == 1 else 'faults'}"
        )
        for why, count in loaded.dropped.items():
            click.echo(f"left out: {short(why)} {count:,}")
    if loaded.problems:
        raise SystemExit(3)


MORE = (diff, report, leaderboard, aggregate, export_run, import_run, lint)
