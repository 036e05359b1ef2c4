"""What a run leaves: `samples.jsonl` (one `Sample` a line) and `scores.json` (one `Scores`).

Numbers that could not be had are null and counted, never zero.
"""

from pathlib import Path
from typing import Any, Literal

import msgspec

from rumpun.errors import InputError

__all__ = [
    "SAMPLES",
    "SCORES",
    "Cell",
    "Difference",
    "Figure",
    "LanguageCost",
    "Mean",
    "ModelInfo",
    "Sample",
    "Scores",
    "Status",
    "read_samples",
    "read_scores",
    "write_samples",
    "write_scores",
    "write_whole",
]

SAMPLES, SCORES = "samples.jsonl", "scores.json"
Status = Literal["ok", "no answer found", "truncated", "error"]


class Sample(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One item put to one model once."""

    task: str
    language: str
    id: str
    model: str
    run: int = 0
    method: str  # "likelihood" or "generate"
    prompt: str | list[dict[str, str]]  # a text to go on from, or the turns of a chat
    options: list[str] = []
    logprobs: list[float] = []  # of each option, summed over its tokens (nats)
    tokens: list[int] = []  # of each option; of prompt and answer where it was generated
    answer: str | None = None  # as the model wrote it; None where it failed
    parsed: str | None = None  # what was read out of it
    gold: str | list[str] = ""
    scores: dict[str, float] = {}  # metric -> this item's own
    score: float | None = None  # of the task's metric; None where there is none
    status: Status = "ok"
    error: str = ""
    group: str = ""
    template: str = ""  # which variant of the instruction
    seed: int | None = None
    key: str = ""  # in the cache
    more: dict[str, Any] = {}  # whatever an imported log says beyond this


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A number with its 95 % interval; None where one item cannot give one."""

    value: float
    ci95: tuple[float, float] | None = None


class Cell(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One task in one language for one model."""

    task: str
    language: str
    skill: str
    model: str
    metric: str  # the one that goes up
    metrics: dict[str, Figure] = {}  # 0 to 1 where they are shares; others as they come
    normalised: Figure | None = None  # 0 chance, 100 best
    chance: float = 0.0
    items: int = 0
    scored: int = 0
    runs: int = 1
    parse_failures: int = 0
    truncated: int = 0
    errors: int = 0
    detectable: float | None = None  # least gain that a paired test would see in four cases of five
    method: str = ""
    licences: list[str] = []
    notes: list[str] = []


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Model minus the other model, on the same items."""

    task: str  # or "*" over the tasks of a language
    language: str  # or "*"
    metric: str
    difference: float
    ci95: tuple[float, float] | None
    p: float | None  # None where the interval alone says it
    p_holm: float | None  # corrected over the languages of the task
    test: str
    items: int
    clusters: int
    left_out: int = 0  # items without a score in one of the two


class Mean(msgspec.Struct, frozen=True, kw_only=True):
    """A mean of normalised scores over the cells that are there, with those that are missing named."""

    model: str
    over: str  # "skill" in one language, "language", "all"
    name: str  # the skill or language; "" for all
    language: str = ""
    figure: Figure | None = None
    cells: list[str] = []
    missing: list[str] = []


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which model it was."""

    name: str
    engine: str
    digest: str = ""  # sha256 of its weights, where there are files
    place: str = ""
    context_tokens: int = 0
    vocabulary: int = 0
    architecture: str = ""


class LanguageCost(msgspec.Struct, frozen=True, kw_only=True):
    """What a character of a language costs a model, from its cell of the task `tokens` (see `costs`)."""

    model: str
    language: str
    tokens_per_character: float
    against_english: float | None = (
        None  # times English's tokens a character; None where those were not counted
    )
    characters_in_1000_tokens: float
    same_text_against_english: float | None = (
        None  # tokens of sentences, times those of the same sentences in English
    )


class Scores(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one run found."""

    schema: int = 1
    suite: str
    models: list[ModelInfo]  # the model; then the one it is put against
    cells: list[Cell]
    differences: list[Difference] = []
    means: list[Mean] = []
    missing: list[dict[str, str]] = []  # {"language", "skill"} without any task
    not_run: list[dict[str, str]] = []  # {"task", "language", "why"}: the budget's end, no engine that can
    costs: list[LanguageCost] = []
    made: dict[str, Any] = {}  # when, by which version, with which seed, how long


def write_samples(path: Path, samples: list[Sample]) -> None:
    """One line a sample; the file is there whole or not at all."""
    write_whole(path, b"".join(msgspec.json.encode(sample) + b"\n" for sample in samples))


def write_scores(path: Path, scores: Scores) -> None:
    """The file is there whole or not at all."""
    write_whole(path, msgspec.json.format(msgspec.json.encode(scores), indent=1) + b"\n")


def write_whole(path: Path, content: bytes) -> None:
    """The file is there whole or not at all."""
    beside = path.with_name(f".{path.name}.part")
    beside.write_bytes(content)
    beside.replace(path)


def read_samples(path: Path) -> list[Sample]:
    """The samples of a run.

    Raises:
        InputError: the file cannot be read, or a line is no sample; the line is named.
    """
    decoder = msgspec.json.Decoder(Sample)
    found = []
    for number, line in enumerate(_bytes(path).split(b"\n"), 1):
        if line.strip():
            try:
                found.append(decoder.decode(line))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise InputError(
                    f"{path}: line {number}: {error}", "it is no file of samples of this version"
                ) from error
    return found


def read_scores(path: Path) -> Scores:
    """The scores of a run.

    Raises:
        InputError: the file cannot be read or is of another form.
    """
    try:
        return msgspec.json.decode(_bytes(path), type=Scores)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {error}", "it is no scores.json of this version") from error


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror})", "name a folder that `rumpun eval run` wrote"
        ) from error
