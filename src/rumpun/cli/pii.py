"""`rumpun pii find|mask`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


@click.group()
def pii() -> None:
    """Find personal data, mask it."""


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line."),
        click.option("--least", type=float, default=None, help="The least score, 0 to 1 (default: 0.6)."),
        click.option(
            "--type", "types", multiple=True, help="Only this type, such as PHONE; may be repeated."
        ),
        click.option(
            "--country", "countries", multiple=True, help="Only this country, such as my; may be repeated."
        ),
        click.argument("files", nargs=-1, type=click.Path(path_type=Path)),
    ):
        command = option(command)
    return command


@pii.command()
@_options
def find(
    *,
    files: tuple[Path, ...],
    countries: tuple[str, ...],
    types: tuple[str, ...],
    least: float | None,
    as_json: bool,
) -> None:
    """Find personal data in each line of FILES or of standard input; in *.jsonl in the field `text` of each line.

    Prints place, type, score, country and the reason, not the data themselves; offsets are code points of the line.
    """
    import sys

    from rumpun.cli.show import put_json
    from rumpun.personal import MASK_AT, find_all
    from rumpun.personal.read import rows_of

    least = MASK_AT if least is None else least
    for rows in rows_of(files):
        all_found = find_all(rows.texts, countries or None, types or None, least)
        for line, found in enumerate(all_found, rows.number):
            if as_json:
                put_json({"file": rows.name if files else None, "line": line, "found": found})
                continue
            for item in found:
                place = f"{rows.name}:{line}:{item.start}-{item.end}"
                sys.stdout.write(
                    f"{place}\t{item.type}\t{item.score:.2f}\t{item.country or '-'}\t{item.reason}\n"
                )
        sys.stdout.flush()


@pii.command()
@_options
@click.option(
    "--style",
    type=click.Choice(["tag", "last", "pseudonym", "redact", "drop"]),
    default="tag",
    help="What is written instead: <PHONE>, ████7890, <PHONE:hbkdopag>, ███, nothing.",
)
@click.option("--keep", type=int, default=4, help="Signs left at the end, style last.")
@click.option(
    "--key-file", type=click.Path(path_type=Path), help="Secret of 16 to 64 bytes, style pseudonym."
)
@click.option("--key-env", metavar="NAME", help="The secret is in this variable of the environment instead.")
def mask(
    *,
    files: tuple[Path, ...],
    countries: tuple[str, ...],
    types: tuple[str, ...],
    least: float | None,
    as_json: bool,
    style: str,
    keep: int,
    key_file: Path | None,
    key_env: str | None,
) -> None:
    """Mask personal data in each line of FILES or of standard input: one line out for each line in.

    In *.jsonl the field `text` of each line is masked and the other fields are kept. With --json each line is an
    object with the masked text and what was found in it.
    """
    import sys

    from rumpun.cli.show import put_json
    from rumpun.personal import MASK_AT, STYLES, Masker
    from rumpun.personal.read import read_key, rows_of

    masker = Masker(
        style=STYLES[STYLES.index(style)],
        keep=keep,
        key=read_key(key_file, key_env),
        countries=countries or None,
        types=types or None,
        least=MASK_AT if least is None else least,
    )
    for rows in rows_of(files):
        for place, masked in enumerate(masker.mask_all(rows.texts)):
            if as_json:
                line = {"file": rows.name if files else None, "line": rows.number + place}
                put_json(line | {"text": masked.text, "found": masked.found})
            elif rows.objects is not None:
                put_json(rows.objects[place] | {"text": masked.text})
            else:
                sys.stdout.write(masked.text + "\n")
        sys.stdout.flush()
