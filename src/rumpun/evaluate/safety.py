"""The step `evaluate.safety`: a layer -> what base and layer make of prompts that ask for harm, and of harmless questions.

Of answers to harmless questions it tells too how many are in the asker's language, by this project's identifier.

Base and layer answer through the engine that serves them. A guard behind an address says of each answer to a harmful prompt
whether it is harmful, which stands for "complied"; the guard misses harm, of both models alike, so a share is a lower bound.
Sets that this project's guard learnt from are left out. No harmful prompt and no answer to one is shown or kept.
"""

import contextlib
import math
import subprocess
import sys
import tempfile
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import numpy as np

from rumpun.engines.bases import base_of_layer
from rumpun.errors import EnvironmentFault, UsageError
from rumpun.evaluate.answers import after_thoughts
from rumpun.evaluate.guarded import GuardAddress
from rumpun.evaluate.public_table import describe
from rumpun.evaluate.records import Sample
from rumpun.evaluate.reviews import Reviewers
from rumpun.evaluate.run import Settings
from rumpun.evaluate.runs import plan_suite, run_suite, samples_of
from rumpun.evaluate.spoken import Kind, spoken
from rumpun.evaluate.tasks import suites
from rumpun.measure.paired import paired
from rumpun.measure.rates import wilson
from rumpun.steps import Outcome, Progress, Work, quiet, step

__all__ = ["WHOLE", "SafetyParams", "harmful_sets", "own_guard", "put_to", "safety", "table"]

WHOLE = "all"  # the row of all languages together
_LEARNT = "learnt from these rows"  # in the notes of a set that the guard was trained on


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyParams:
    """What is asked, and who judges."""

    languages: tuple[str, ...] = ()  # tags; empty: the working languages
    sets: tuple[str, ...] = ()  # of prompts that ask for harm; empty: all that the guard did not learn from
    limit: int = 10  # prompts of each set and language, and harmless questions of each language
    max_tokens: int = 96  # of an answer; its beginning is judged
    harmless: bool = True  # whether harmless questions are asked too, of each set as many: for over-refusal
    guard_url: str = ""  # of a guard with OpenAI's /moderations; empty: this project's own, started for it

    def check(self) -> None:
        """Refuse counts that measure nothing."""
        for name, value in (("limit", self.limit), ("max_tokens", self.max_tokens)):
            if value < 1:
                raise ValueError(f"{name} = {value}, expected 1 or more")
        if "@" in urlsplit(self.guard_url).netloc:  # a manifest is shown to everybody
            raise ValueError("guard_url: holds a password; put the key into RUMPUN_UPSTREAM_API_KEY")
        there = suites()["harmful"] if self.guard_url else harmful_sets()
        for name in self.sets:
            if name not in there:
                raise ValueError(
                    f"sets: {name} is no set of harmful prompts that the guard has not seen: {', '.join(there)}"
                )


def harmful_sets() -> tuple[str, ...]:
    """The sets of prompts that ask for harm and that the guard did not learn from."""
    return tuple(name for name in suites()["harmful"] if _LEARNT not in describe(name).notes)


@contextlib.contextmanager
def own_guard() -> Iterator[str]:
    """The address of this project's guard, served by a process of its own while the context lasts.

    Raises:
        EnvironmentFault: it did not start.
    """
    command = [
        sys.executable,
        "-m",
        "rumpun.cli",
        "up",
        "--guard",
        "block",
        "--layer",
        "none",
        "--port",
        "0",
        "--quiet",
    ]
    # a pipe that nobody empties would stop the server once it is full
    with tempfile.TemporaryFile("w+") as beside, _running(command, beside) as server:
        assert server.stdout is not None
        said = server.stdout.readline().strip()
        if not said.startswith("http://"):
            _ended(server)
            beside.seek(0)
            why = beside.read().strip().splitlines()
            raise EnvironmentFault(
                f"the guard did not start: {why[0] if why else said or 'it ended at once'}",
                "`rumpun doctor` says what is missing",
            )
        yield f"{said.rstrip('/')}/v1"


@contextlib.contextmanager
def _running(command: Sequence[str], beside: IO[str]) -> "Iterator[subprocess.Popen[str]]":
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=beside, text=True)
    try:
        yield server
    finally:
        _ended(server)


def _ended(server: "subprocess.Popen[str]") -> None:
    server.terminate()
    try:
        server.wait(30)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


@step(kind="safety", version=3, needs=("layer",))
def safety(params: SafetyParams, work: Work) -> Outcome:
    """Input: a layer. Writes scores.json, samples.jsonl (without any harmful prompt or its answer) and report.html.

    The summary has a row for each language and one for all together (`table`).

    Raises:
        UsageError: nothing is asked in these languages.
        InputError: the sets are not at hand.
        EnvironmentFault: a model or the guard is gone, or gave no verdict on some answer.
    """
    folder = work.input("layer").folder
    base = base_of_layer(folder, work.progress)
    rows = put_to(str(folder), str(base), params, into=work.folder, seed=work.seed, progress=work.progress)
    return Outcome(
        languages=tuple(tag for tag in rows if tag != WHOLE),
        summary={
            "languages": rows, "sets": list(params.sets or harmful_sets()),
            "harmless": list(suites()["harmless"]) if params.harmless else [], "limit": params.limit, "max_tokens": params.max_tokens,
            "guard": params.guard_url or "this project's own",
        },
    )  # fmt: skip


def put_to(
    model: str, against: str, params: SafetyParams, *, into: Path, seed: int = 0, progress: Progress = quiet
) -> dict[str, dict[str, Any]]:
    """The rows of a model beside another, each as `engines.load` resolves it.

    Raises:
        As `safety`.
    """
    from rumpun.language.tables import WORKING

    harmful = params.sets or harmful_sets()
    tasks = (*harmful, *(suites()["harmless"] if params.harmless else ()))
    languages = params.languages or WORKING
    settings = Settings(languages=languages, limit=params.limit, max_tokens=params.max_tokens, seed=seed)
    made = plan_suite("safety", settings, tasks, progress=progress)
    if not any(cell.task.name in harmful for cell in made.cells):
        raise UsageError(
            f"no prompt that asks for harm in {', '.join(languages)}",
            f"name a language that has some: {', '.join(harmful_languages())}",
        )
    with contextlib.ExitStack() as opened:
        guard = opened.enter_context(GuardAddress(params.guard_url or opened.enter_context(own_guard())))
        came = run_suite(
            made,
            model,
            against,
            into=into,
            reviewers=Reviewers(guard=guard),
            start=lambda name: _of(name, progress),
        )
    looked = came.scores.made.get("guard", {})
    if looked.get("errors"):
        raise EnvironmentFault(
            f"the guard gave no verdict {looked['errors']} times: {looked.get('error')}", "run again"
        )
    ours, theirs = (samples_of(into, info.name, 0) for info in came.scores.models)
    return table(ours, theirs)


def _of(name: str, progress: Progress) -> Progress:
    """Progress of one of the two models, by its name."""

    def told(done: float, total: float = 0, note: str = "") -> None:
        progress(done, total, f"{name}: {note}" if note else name)

    return told


def harmful_languages() -> list[str]:
    """Tags that some harmful set has prompts in."""
    return sorted({tag for name in harmful_sets() for tag in describe(name).languages})


def table(ours: Sequence[Sample], theirs: Sequence[Sample]) -> dict[str, dict[str, Any]]:
    """Language -> what layer and base did; `WHOLE` is the row of all languages, there where any harm was asked for.

    A share is [value, low, high] with Wilson's 95 % interval. `harm` compares the two on the same prompts: `difference`,
    layer minus base, its 95 % interval and `p` of the exact paired test; in the row of all, translations of one prompt are
    one draw. What a guard gave no verdict on stands nowhere.

    Args:
        ours: the layer's samples, with what a guard said among their scores.
        theirs: the base's, of the same items.
    """
    tags = sorted({one.language for one in ours})
    rows = {tag: _row([one for one in ours if one.language == tag], theirs) for tag in tags}
    whole = _row(ours, theirs)
    return {tag: row for tag, row in rows.items() if row} | ({WHOLE: whole} if "prompts" in whole else {})


def _row(ours: Sequence[Sample], theirs: Sequence[Sample]) -> dict[str, Any]:
    base = {_key(one): one for one in theirs}
    row: dict[str, Any] = {}
    asked = [(one, base[_key(one)]) for one in ours if _key(one) in base]
    both = _told(asked, "harmful_answer")
    if both:
        layer, before = (_values(both, side, "harmful_answer") for side in (0, 1))
        row |= {
            "prompts": len(both), "layer": _share(layer), "base": _share(before),
            "layer_and_guard": _share(_values(both, 0, "harmful_past_guard")),
            "layer_refuses": _share(_values(both, 0, "refused")), "base_refuses": _share(_values(both, 1, "refused")),
            "harm": _against(layer, before, [(one.task, one.group or one.id) for one, _ in both]),
        }  # fmt: skip
    harmless = _told(asked, "answered")
    if harmless:
        row |= {
            "questions": len(harmless), "layer_answers": _share(_values(harmless, 0, "answered")),
            "base_answers": _share(_values(harmless, 1, "answered")),
            "guard_passes": _share(_values(harmless, 0, "passed_guard")),
            "base_language": _share(_in_language([base for _, base in harmless], "right")),
            "layer_language": _share(_in_language([one for one, _ in harmless], "right")),
            "layer_sister": _share(_in_language([one for one, _ in harmless], "sister")),
        }  # fmt: skip
    return row


Pairs = Sequence[tuple[Sample, Sample]]  # layer's and base's, of one item


def _told(asked: Pairs, name: str) -> Pairs:
    return [pair for pair in asked if all(name in one.scores for one in pair)]


def _values(both: Pairs, side: int, name: str) -> list[float]:
    return [pair[side].scores[name] for pair in both if name in pair[side].scores]


def _in_language(answers: Sequence[Sample], kind: Kind) -> list[float]:
    """1 for each answer in the asker's language ("right") or in its sister, else 0; one too short to tell is left out."""
    found: list[float] = []
    for tag in sorted({one.language for one in answers}):
        words = [after_thoughts(one.answer or "") or "" for one in answers if one.language == tag]
        found += [float(one.kind == kind) for one in spoken(words, tag) if one.kind != "short"]
    return found


def _key(one: Sample) -> tuple[str, str, str, int]:
    return one.task, one.language, one.id, one.run


def _share(values: Sequence[float]) -> list[float]:
    if not values:
        return []
    low, high = wilson(round(math.fsum(values)), len(values))
    return [round(number, 4) for number in (math.fsum(values) / len(values), low, high)]


def _against(layer: Sequence[float], base: Sequence[float], groups: Sequence[Hashable]) -> dict[str, Any]:
    found = paired(np.asarray(layer), np.asarray(base), clusters=groups)
    told = asdict(found)
    return {
        key: told[key] if not isinstance(told[key], float) else round(told[key], 4) for key in ("difference", "p", "test", "clusters")
    } | {"interval": [round(end, 4) for end in found.interval] if found.interval else None}  # fmt: skip
