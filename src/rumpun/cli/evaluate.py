"""`rumpun eval`: measure models."""

from pathlib import Path
from typing import Any

import click


@click.group()
def evaluate() -> None:
    """Measure models."""


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
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def bpb(model: str, against: str | None, texts: Path, limit: int | None, as_json: bool) -> None:
    """Bits per byte of MODEL, per language: base, default, a GGUF, a folder of weights or a catalogue name."""
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
    _show(table["languages"], names)


def _show(measured: dict[str, Any], names: list[str]) -> None:
    from rumpun.language.tables import WORKING

    click.echo(f"bits per byte; model: {names[0]}" + (f", against: {names[1]}" if len(names) > 1 else ""))
    click.echo(f"{'':6}{'model':>9}{'against':>9}   {'difference, 95 %':22}{'documents':>10}{'bytes':>11}")
    for tag in [*WORKING, *(tag for tag in measured if tag not in WORKING)]:
        row = measured.get(tag, {})
        interval = row.get("difference")
        said = f"{interval[0]:+.4f} to {interval[1]:+.4f}" if interval else ""
        click.echo(
            f"{tag:6}{_number(row.get('model')):>9}{_number(row.get('against')):>9}   {said:22}"
            f"{row.get('documents', ''):>10}{row.get('bytes', ''):>11}"
        )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
