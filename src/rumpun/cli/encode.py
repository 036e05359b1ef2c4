"""`rumpun encode embed|eval|train`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rumpun.cli.release import train_command

if TYPE_CHECKING:
    from collections.abc import Callable

    from rumpun.records.artefacts import Manifest

_ENCODER = click.option(
    "--encoder", "folder", type=click.Path(path_type=Path), help="An encoder's folder (default: ours)."
)


@click.group()
def encode() -> None:
    """Sentences to vectors of meaning, in eleven languages."""


@encode.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@_ENCODER
@click.option("--json", "as_json", is_flag=True, help='Lines {"text": …} in, lines {"embedding": […]} out.')
def embed(files: tuple[Path, ...], folder: Path | None, as_json: bool) -> None:
    """Unit vectors of the lines of FILES or of standard input, one line each, in order.

    A line that begins with a brace is a JSON object with `text`. A text longer than the encoder reads is cut; with --json
    its line says so, without it a note on standard error does.
    """
    import sys

    import msgspec

    from rumpun.encoder import Encoder
    from rumpun.encoder.read import texts_of

    loaded = Encoder.load(folder)
    cut = 0
    for _, _, texts in texts_of(files):
        for start in range(0, len(texts), 256):
            part = texts[start : start + 256]
            vectors, lengths = loaded.embed(part), loaded.tokens(part)
            for vector, length in zip(vectors, lengths, strict=True):
                long = length > loaded.spec.longest_tokens
                cut += long
                if as_json:
                    row = {"embedding": [round(float(x), 6) for x in vector], "tokens": length}
                    line = msgspec.json.encode(row | ({"truncated": True} if long else {})).decode()
                else:
                    line = " ".join(f"{x:.6g}" for x in vector)
                sys.stdout.write(line + "\n")
        sys.stdout.flush()
    if cut and not as_json:
        click.echo(f"{cut} texts were cut at {loaded.spec.longest_tokens} tokens", err=True)


@encode.command("eval")
@click.argument("data", type=click.Path(path_type=Path), required=False)
@_ENCODER
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def evaluate(data: Path | None, folder: Path | None, as_json: bool) -> None:
    """Measure retrieval of translations, both ways, with intervals.

    DATA is a file of JSON lines {"language": …, "text": …, "english": …}. Without it the sources under RUMPUN_DATA that
    the encoder was never fitted with are measured.
    """
    from rumpun.cli.show import put_json
    from rumpun.encoder import Encoder
    from rumpun.encoder.measure import retrieval
    from rumpun.encoder.read import pairs_of, shipped_held_out

    loaded = Encoder.load(folder)
    rows = pairs_of(data) if data else shipped_held_out(loaded)
    entries = retrieval(loaded.embed, rows)
    if as_json:
        put_json({"encoder": loaded.spec.name, "retrieval": entries})
        return
    for entry in entries:
        for way in ("to_english", "from_english"):
            found = entry[way]
            click.echo(
                f"{entry['source']:20} {entry['language']:6} {way:13} {found['share']:.3f}"
                f"  [{found['low']:.3f}, {found['high']:.3f}]  {entry['rows']} rows"
                f" among {found.get('candidates', entry['candidates'])}"
            )


def _card() -> "Callable[[Manifest], str]":
    from rumpun.encoder.card import card

    return card


encode.add_command(
    train_command(
        "encoder",
        "Run the encoder's recipe and release what it makes, with its card. It goes on where it was cut off.",
        _card,
    )
)
