"""`rumpun edge`: export models for devices and measure them."""

from pathlib import Path

import click

from rumpun.weights.kinds import QUANTISATIONS

FILE = click.Path(path_type=Path)


@click.group()
def edge() -> None:
    """Export models for devices and measure them."""


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
