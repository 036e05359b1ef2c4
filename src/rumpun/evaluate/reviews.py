"""Second looks at what was answered: a judge at conversations, a guard at answers. Both are optional, and named."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec import structs

from rumpun.engines.load import Found, open_engine, resolve
from rumpun.errors import UsageError
from rumpun.evaluate.agreement import Label, agreement, read_labels
from rumpun.evaluate.ask import Asker, Asking
from rumpun.evaluate.cache import Cache
from rumpun.evaluate.guarded import GuardAddress, asks_guard, through_guard
from rumpun.evaluate.identity import identity_of, model_info
from rumpun.evaluate.records import Cell, ModelInfo, Sample
from rumpun.evaluate.verdicts import judged, prompt_digest
from rumpun.steps import Progress, quiet

__all__ = ["Review", "Reviewed", "Reviewers", "noted", "reviewers"]

_LATE = "the time was up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """Who looks again, as people type it."""

    judge: str = ""  # as `engines.load` resolves it
    labels: Path | None = None  # what people said of the judge's criteria
    guard_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """What came of it."""

    samples: list[list[Sample]]  # of each model
    not_run: list[dict[str, str]] = field(default_factory=list)
    made: dict[str, Any] = field(default_factory=dict)  # what scores.json says of judge and guard
    asked: int = 0
    kept: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewers:
    """Who looks again, found and at hand."""

    judge: Found | None = None
    labels: tuple[Label, ...] = ()
    labels_name: str = ""  # their file
    guard: GuardAddress | None = None

    def look(
        self,
        samples: Sequence[list[Sample]],
        infos: Sequence[ModelInfo],
        answers: Cache,
        asking: Asking | None = None,
        *,
        seed: int = 0,
        deadline: float | None = None,
        start: Callable[[str], Progress] = lambda _: quiet,
    ) -> Reviewed:
        """The samples of each model with what judge and guard say of them.

        Raises:
            EnvironmentFault: the judge is gone; what it said is kept.
        """
        mine = list(samples)
        made: dict[str, Any] = {}
        if self.guard is not None and any(asks_guard(one) for own in mine for one in own):
            if deadline is not None and time.monotonic() >= deadline:
                made["guard"] = {"address": self.guard.name, "why": _LATE}
            else:
                looked = [through_guard(own, self.guard) for own in mine]
                mine = [own for own, _ in looked]
                made["guard"] = _summed([told for _, told in looked])
        if self.judge is None or not any(_talks(one) for own in mine for one in own):
            return Reviewed(samples=mine, made=made)
        engine = open_engine(self.judge)
        try:
            info = model_info(self.judge, engine)
            asker = Asker(
                engine,
                identity_of(info),
                answers,
                asking,
                deadline=deadline,
                progress=start(f"judge {info.name}"),
            )
            found, not_run, counts = [], [], Counter[str]()
            for own in mine:
                done, left, told = judged([one for one in own if _talks(one)], asker, seed=seed)
                found.append([one for one in own if not _talks(one)] + done)
                counts += told
                not_run += [
                    {"model": model, "task": task, "language": language, "why": _LATE}
                    for model, task, language in sorted(left)
                ]
        finally:
            engine.close()
        made["judge"] = {
            "name": info.name, "engine": info.engine, "digest": info.digest, "place": info.place, "prompt": prompt_digest(),
            "criteria": counts["criteria"], "no_verdict": counts["no verdict"], "failed": counts["failed"],
            "no_verdict_by_language": {
                name.removeprefix("no verdict "): count for name, count in sorted(counts.items()) if name.startswith("no verdict ")
            },
            "judges_itself": any(identity_of(info) == identity_of(one) for one in infos),
        }  # fmt: skip
        if self.labels:
            judged_ones = [one for own in found for one in own if _talks(one)]
            made["judge"]["labels"] = self.labels_name
            made["judge"]["agreement"] = agreement(self.labels, judged_ones, infos[0].name, seed=seed)
        return Reviewed(samples=found, not_run=not_run, made=made, asked=asker.asked, kept=asker.kept)

    def close(self) -> None:
        """Close the connections to the guard."""
        if self.guard is not None:
            self.guard.close()


def reviewers(review: Review, *, progress: Progress = quiet) -> Reviewers:
    """Find judge and guard and read the labels, before anything is asked of a model.

    Raises:
        UsageError: labels without a judge, no such model, or no address.
        InputError: the labels are malformed, or the judge cannot be read.
        EnvironmentFault: no guard answers at the address.
    """
    if review.labels is not None and not review.judge:
        raise UsageError(
            "--judge-labels without --judge", "name the judge whose words are compared with people's"
        )
    labels = read_labels(review.labels) if review.labels is not None else []
    judge = resolve(review.judge, progress=progress) if review.judge else None
    return Reviewers(
        judge=judge,
        labels=tuple(labels),
        labels_name=str(review.labels or ""),
        guard=GuardAddress(review.guard_url) if review.guard_url else None,
    )


def noted(cells: Sequence[Cell], made: Mapping[str, Any]) -> list[Cell]:
    """Cells with who looked at their answers, and what is not known of that."""
    found = []
    for cell in cells:
        notes = []
        if cell.metric == "criteria_met" and (judge := made.get("judge")):
            languages = judge.get("agreement", {}).get("languages", {})
            told = "was measured" if cell.language in languages else "was not measured"
            itself = ", which judged its own answers among them" if judge["judges_itself"] else ""
            notes.append(
                f"Conversations in {cell.language} were judged by the model {judge['name']}{itself}; "
                f"how far it agrees with people in this language {told}."
            )
        if "passed_guard" in cell.metrics:
            guard = made["guard"]
            notes.append(
                f"passed_guard is the word of the guard at {guard['address']}; it gave none on {guard['errors']:,} "
                f"of {guard['answers']:,} answers, which are left out."
            )
        if "stopped" in cell.metrics:
            guard = made["guard"]
            notes.append(
                f"stopped, harmful_answer and harmful_past_guard are the word of the guard at {guard['address']}, which is"
                " no judge; where it gave none, the item is left out."
            )
        found.append(structs.replace(cell, notes=[*cell.notes, *notes]))
    return found


def _talks(sample: Sample) -> bool:
    """Whether a sample is a conversation, which a judge looks at."""
    return "turns" in sample.more


def _summed(told: Sequence[dict[str, Any]]) -> dict[str, Any]:
    errors = [one["error"] for one in told if one["error"]]
    return {
        "address": told[0]["address"], "takes_role": told[0]["takes_role"],
        "answers": sum(one["answers"] for one in told), "prompts": sum(one["prompts"] for one in told),
        "errors": sum(one["errors"] for one in told), "error": errors[0] if errors else "",
    }  # fmt: skip
