"""`rumpun layer extend`: new subwords for a base, and what they save."""

from pathlib import Path

import click

FILE = click.Path(path_type=Path)


@click.command()
@click.argument("texts", metavar="CORPUS_OR_FILES...", nargs=-1, required=True, type=FILE)
@click.option(
    "--base",
    default="base",
    show_default=True,
    help="A GGUF, a folder of weights, 'base', or a name in the catalogue.",
)
@click.option("--tokens", "tokens_max", default=8_000, show_default=True, help="New tokens at most.")
@click.option(
    "--clusters", "clusters_max", default=2_000, show_default=True,
    help="Of them, letters with their marks that are found before the text is cut.",
)  # fmt: skip
@click.option(
    "--held-out", multiple=True, type=FILE, help="Files to measure on (default: a part of the text)."
)
@click.option(
    "--keep",
    "kept_files",
    multiple=True,
    help="Path or glob of text whose tokens must not change, such as code.",
)
@click.option("--into", required=True, type=FILE, help="The layer's folder.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def extend(
    texts: tuple[Path, ...],
    *,
    base: str,
    tokens_max: int,
    clusters_max: int,
    held_out: tuple[Path, ...],
    kept_files: tuple[str, ...],
    into: Path,
    as_json: bool,
) -> None:
    """Learn new subwords on a corpus's folder, or on .parquet and .jsonl files, and write them as a layer.

    Prints tokens a character and the cost against English, before and after. Rows of files have `text` and `language`.
    """
    from rumpun.cli.show import progress_bars, put_json
    from rumpun.errors import UsageError
    from rumpun.layer.params import ExtendParams
    from rumpun.layer.vocabulary.extend import extend_files
    from rumpun.layer.vocabulary.table import shown
    from rumpun.parts import require

    require("rumpun layer extend", ["train"])
    params = ExtendParams(base=base, tokens_max=tokens_max, clusters_max=clusters_max, kept_files=kept_files)
    try:
        params.check()
    except ValueError as error:
        raise UsageError(str(error), "see rumpun layer extend --help") from error
    with progress_bars() as progress:
        made = extend_files(list(texts), list(held_out), params, into, progress("extending"))
    if as_json:
        put_json({"path": str(into), **made.summary})
        return
    for line in shown(made.rows):
        click.echo(line)
    told = made.summary
    click.echo(
        f"{into}  {told['tokens']:,} tokens, {told['clusters']:,} of them clusters, {told['bytes']:,} bytes"
    )
