"""`rumpun edge`: export models for devices, trim them, measure them."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rumpun.weights.kinds import QUANTISATIONS, Quantisation

if TYPE_CHECKING:
    from rumpun.edge.trim import Trimmed

FILE = click.Path(path_type=Path)


@click.group()
def edge() -> None:
    """Export models for devices, trim them, measure them."""


@edge.command()
@click.option("--layer", type=FILE, help="The layer's folder; without one the base alone is exported.")
@click.option(
    "--base", default="", help="The base's GGUF, or 'base'; by default the one that the layer names."
)
@click.option("--out", required=True, type=FILE, help="The GGUF to write.")
@click.option("--quantisation", default="Q8_0", show_default=True, help=", ".join(QUANTISATIONS))
@click.option(
    "--size-limit-bytes", type=click.IntRange(min=1), help="Take a smaller quantisation above this size."
)
def export(layer: Path | None, base: str, out: Path, quantisation: str, size_limit_bytes: int | None) -> None:
    """Write one GGUF of a quantisation, and of a size where one is given."""
    from rumpun.cli.show import progress_bars
    from rumpun.edge.apply import apply_layer
    from rumpun.weights.gguf_file import describe

    with progress_bars() as progress:
        apply_layer(
            layer, base, out, quantisation, size_limit_bytes=size_limit_bytes, progress=progress("exporting")
        )
    about = describe(out)
    click.echo(f"{out}  {about.quantisation}  {about.size:,} bytes")


@edge.command()
@click.argument("file", type=FILE)
@click.option("--prompt-tokens", default=256, show_default=True, help="Tokens of each prompt.")
@click.option("--decode-tokens", default=64, show_default=True, help="Tokens generated in each run.")
@click.option("--runs", default=3, show_default=True, help="Runs; medians are shown.")
@click.option("--threads", type=int, help="Threads (default: every usable core).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def bench(
    file: Path, *, prompt_tokens: int, decode_tokens: int, runs: int, threads: int | None, as_json: bool
) -> None:
    """Measure a GGUF FILE on this machine: prompt and decode speed, load time, memory."""
    from rumpun.cli.show import put_json
    from rumpun.edge.bench import measure

    found = measure(
        file, prompt_tokens=prompt_tokens, decode_tokens=decode_tokens, runs=runs, threads=threads
    )
    if as_json:
        put_json(found)
        return
    click.echo(
        f"{found.file}: {found.quantisation}, {found.size_bytes / 1e6:.1f} MB, {found.threads} threads"
    )
    click.echo(f"prompt   {found.prompt_tokens_per_second:8.1f} tokens/s  ({found.prompt_tokens} tokens)")
    click.echo(f"decode   {found.decode_tokens_per_second:8.1f} tokens/s  ({found.decode_tokens} tokens)")
    click.echo(f"load     {found.load_seconds:8.2f} s")
    click.echo(f"resident {found.resident_bytes / 1e6:8.1f} MB")


@edge.command()
@click.argument("model")
@click.option("--out", type=FILE, help="The GGUF to write; not needed with --plan.")
@click.option(
    "--keep-languages", default="", help="Their script is kept whole: id,th,en; ms-Arab names a script."
)
@click.option("--keep-scripts", default="", help="Scripts to keep whole: Latn,Thai.")
@click.option(
    "--keep-text",
    multiple=True,
    help="A text whose pieces are kept besides (.txt or .jsonl); repeat for more.",
)
@click.option(
    "--min-count",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="How often a piece must stand in those texts.",
)
@click.option(
    "--quantisation", type=click.Choice(QUANTISATIONS), help="Of the matrices; by default as they are."
)
@click.option(
    "--embeddings", type=click.Choice(QUANTISATIONS), help="Of embedding and output; Q8_0 beside Q4."
)
@click.option("--measure/--no-measure", default=True, show_default=True, help="Time both files.")
@click.option("--plan", is_flag=True, help="Only say what would be kept and dropped.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def trim(
    model: str,
    *,
    out: Path | None,
    keep_languages: str,
    keep_scripts: str,
    keep_text: tuple[str, ...],
    min_count: int,
    quantisation: Quantisation | None,
    embeddings: Quantisation | None,
    measure: bool,
    plan: bool,
    as_json: bool,
) -> None:
    """Drop tokens of MODEL (a GGUF, 'base', 'default') that a device never needs; what is kept scores as before."""
    from rumpun.cli.show import progress_bars, put_json
    from rumpun.edge.apply import trim_model
    from rumpun.edge.trim import TrimParams

    params = TrimParams(
        keep_languages=_listed(keep_languages),
        keep_scripts=_listed(keep_scripts),
        keep_text=keep_text,
        min_count=min_count,
        quantisation=quantisation,
        embeddings=embeddings,
        measure=measure,
    )
    with progress_bars() as progress:
        found = trim_model(model, None if plan else out, params, plan=plan, progress=progress("trimming"))
    if as_json:
        put_json(found)
        return
    for line in _table(found):
        click.echo(line)


def _listed(given: str) -> tuple[str, ...]:
    return tuple(part for one in given.split(",") if (part := one.strip()))


def _table(found: "Trimmed") -> Iterator[str]:
    yield f"{found.file or found.source}  {found.quantisation}"
    yield _changed("tokens", found.tokens_before, found.tokens_after)
    yield _changed("bytes", found.size_bytes_untrimmed, found.size_bytes_after)
    if found.size_bytes_before != found.size_bytes_untrimmed:
        yield _changed("  from", found.size_bytes_before, found.size_bytes_after)
    yield f"numbers  cut as {found.numbers}, before and after"
    yield ""
    yield "script        kept    dropped"
    yield from (f"{entry.script:8} {entry.kept:9,} {entry.dropped:10,}" for entry in found.tally)
    yield ""
    yield "language  tokens a character"
    for tag, cost in found.cost.items():
        yield f"{tag:8} {cost.before:7.3f} -> {cost.after:7.3f}  {'kept' if cost.kept else ''}".rstrip()
    if found.speed_before and found.speed_after:
        yield ""
        yield from _speeds(found.speed_before, found.speed_after)
    yield from (f"note: {note}" for note in found.notes)


def _speeds(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    for name in ("prompt_tokens_per_second", "decode_tokens_per_second", "load_seconds", "resident_bytes"):
        if name in before and name in after:
            yield _changed(name, before[name], after[name])
    for speed in (before, after):
        if "not_measured" in speed:
            yield f"not measured: {speed['not_measured']}"


def _changed(name: str, before: float, after: float) -> str:
    change = f"{100 * (after / before - 1):+.1f} %" if before else ""
    return f"{name:26} {before:14,} -> {after:14,}  {change}".rstrip()
