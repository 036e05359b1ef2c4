"""`rumpun text normalise|segment|count`: standard input, or FILES, to standard output."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rumpun.language.segment import Segmenter

_FILES = click.argument("files", nargs=-1, type=click.Path(path_type=Path))
_LANGUAGE = click.option("--language", "-l", metavar="TAG", help="The text's language, a BCP-47 tag.")
_UNITS = ("words", "syllables", "graphemes", "sentences")
_SEGMENTER = click.option(
    "--segmenter", metavar="NAME", help="icu, pure, newmm, khmercut or laonlp; else the language's own."
)


@click.group()
def text() -> None:
    """Normalise, segment and count text."""


@text.command()
@_FILES
@_LANGUAGE
@click.option("--zawgyi", type=click.Choice(["sure", "likely", "never"]), default="sure", show_default=True,
              help="How sure Zawgyi must be to be converted: 0.99, 0.5, or not at all.")  # fmt: skip
@click.option("--digits", is_flag=True, help="Native digits to 0-9.")
@click.option("--homoglyphs/--no-homoglyphs", default=True, show_default=True,
              help="Letters that stand for others, inside words.")  # fmt: skip
@click.option("--word-marks", type=click.Choice(["keep", "drop"]), default="keep", show_default=True,
              help="Zero-width spaces at a word's end in scripts without spaces.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: text, changes, offsets.")
def normalise(
    files: tuple[Path, ...],
    *,
    language: str | None,
    zawgyi: str,
    digits: bool,
    homoglyphs: bool,
    word_marks: str,
    as_json: bool,
) -> None:
    """Normalise each line; what was mended is counted on standard error, or in each object.

    `offsets` has [start, end) in the original for each code point, and is empty where none moved. A line that holds
    another kind of line end (U+2028, a carriage return) becomes several; with --json it stays one object.
    """
    import sys

    from rumpun.cli.show import put_json
    from rumpun.language.normalise import Options, normalise_all

    options = Options(zawgyi=zawgyi, digits=digits, homoglyphs=homoglyphs, word_marks=word_marks)  # type: ignore[arg-type]
    mended: dict[str, int] = {}
    for lines in _lines(files):
        for done in normalise_all(lines, [language] * len(lines), options):
            for rule, places in done.changes.items():
                mended[rule] = mended.get(rule, 0) + places
            if as_json:
                offsets = [] if done.offsets.identity else done.offsets.spans()
                put_json({"text": done.text, "changes": done.changes, "offsets": offsets})
            else:
                sys.stdout.write(done.text + "\n")
        sys.stdout.flush()
    if mended and not as_json:
        sys.stderr.write("mended: " + ", ".join(f"{rule} {n}" for rule, n in sorted(mended.items())) + "\n")


@text.command()
@_FILES
@_LANGUAGE
@click.option("--by", "unit", type=click.Choice(_UNITS), default="words", show_default=True)
@_SEGMENTER
@click.option("--separator", default="|", show_default=True, help="What stands between the units.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: text, segmenter, spans.")
def segment(
    files: tuple[Path, ...],
    *,
    language: str | None,
    unit: str,
    segmenter: str | None,
    separator: str,
    as_json: bool,
) -> None:
    """Write the units of each line; white space and punctuation between words and syllables are left out.

    `spans` are [start, end) in code points of the line; `segmenter` names library and version.
    """
    import sys

    from rumpun.cli.show import put_json

    words = _segmenter(segmenter, language)
    version = words.version if unit == "words" else unit
    for lines in _lines(files):
        for line in lines:
            spans = _spans(line, unit, words, language)
            if as_json:
                put_json({"text": line, "segmenter": version, "spans": spans})
            else:
                sys.stdout.write(separator.join(line[start:end] for start, end in spans) + "\n")
        sys.stdout.flush()


@text.command()
@_FILES
@_LANGUAGE
@_SEGMENTER
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def count(files: tuple[Path, ...], language: str | None, segmenter: str | None, as_json: bool) -> None:
    """Count lines, sentences, words, syllables, graphemes, characters and bytes, and letters of each script.

    Characters are code points; line ends count as neither characters nor bytes.
    """
    import sys

    from rumpun.cli.show import put_json
    from rumpun.language import script_counts

    words = _segmenter(segmenter, language)
    totals = dict.fromkeys(
        ("lines", "sentences", "words", "syllables", "graphemes", "characters", "bytes"), 0
    )
    scripts: dict[str, int] = {}
    for lines in _lines(files):
        for line in lines:
            totals["lines"] += 1
            totals["characters"] += len(line)
            totals["bytes"] += len(line.encode())
            for unit in _UNITS:
                totals[unit] += len(_spans(line, unit, words, language))
            for script, letters in script_counts(line).items():
                scripts[script] = scripts.get(script, 0) + letters
    scripts = dict(sorted(scripts.items(), key=lambda item: (-item[1], item[0])))
    if as_json:
        put_json({**totals, "scripts": scripts, "segmenter": words.version})
        return
    for name, number in totals.items():
        sys.stdout.write(f"{name:12}{number:>12,}\n")
    for script, number in scripts.items():
        sys.stdout.write(f"{script:12}{number:>12,}  letters\n")
    sys.stdout.write(f"words by {words.version}\n")


def _lines(files: tuple[Path, ...]) -> Iterator[list[str]]:
    from rumpun.language.lines import lines_of

    for _, _, lines in lines_of(files):
        yield lines


def _segmenter(name: str | None, language: str | None) -> "Segmenter":
    from rumpun.language import segment

    return segment.segmenter(name, language) if name else segment.segmenter_for(language)


def _spans(line: str, unit: str, words: "Segmenter", language: str | None) -> list[tuple[int, int]]:
    """The spans of a line's units."""
    from rumpun.language.graphemes import graphemes
    from rumpun.language.segment import syllables
    from rumpun.language.sentences import split

    if unit == "words":
        return words.words(line)
    if unit == "syllables":
        return syllables(line)
    if unit == "graphemes":
        return graphemes(line)
    spans, start = [], 0
    for piece in split(line, language or "und"):
        spans.append((start, start + len(piece)))
        start += len(piece)
    return spans
