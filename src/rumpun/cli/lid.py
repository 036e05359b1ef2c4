"""`rumpun lid [FILES]`: identify the language of each line."""

from pathlib import Path

import click


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def lid(files: tuple[Path, ...], as_json: bool) -> None:
    """Identify each line of FILES or of standard input: one line out for each line in, empty ones too.

    Prints the BCP-47 tag of the main language and its probability; `und` where a line has no letters of a known
    script or no language reaches 0.2. With --json also the spans: code points of the line, and the language there.
    """
    import sys

    from rumpun.cli.show import put_json
    from rumpun.language import identify_all
    from rumpun.language.lines import lines_of

    for _, _, lines in lines_of(files):
        for found in identify_all(lines, spans=as_json):
            if as_json:
                spans = [
                    {"start": s.start, "end": s.end, "language": s.language, "probability": s.probability}
                    for s in found.spans
                ]
                put_json({"language": found.language, "probability": found.probability, "spans": spans})
            else:
                sys.stdout.write(f"{found.language}\t{found.probability:.4f}\n")
        sys.stdout.flush()
