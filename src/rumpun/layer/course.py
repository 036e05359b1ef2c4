"""What every training run does round its steps: the corpus is made ready, measured against, and the losses are told."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rumpun.errors import InputError
from rumpun.layer.batches import Batches, Plan, make_plan, over_cap
from rumpun.layer.params import RunParams
from rumpun.layer.source import CHAT
from rumpun.layer.tokens import ChatRows, tokenise
from rumpun.steps import Work

if TYPE_CHECKING:
    import torch

    from rumpun.layer.loop import OneStep, Trained
    from rumpun.layer.prepared import Run
    from rumpun.layer.tokenizer import Tokenizer
    from rumpun.layer.watch import Watch

__all__ = ["CURVE", "LOSSES", "PICTURE", "Course"]

LOSSES, CURVE, PICTURE = "losses.jsonl", "curve.jsonl", "curve.svg"
_EDGE = 0.05  # share of the steps that "first" and "last" losses are taken over


class Course:
    """A corpus's text laid out for a run.

    Args:
        params: of the run.
        work: a corpus is among its inputs.
        tokenizer: the run's.
        taken: sequences of each source that earlier runs had.

    Raises:
        InputError: the corpus cannot be read, has too little text, or the recipe's mixture cannot be kept.
    """

    def __init__(
        self, params: RunParams, work: Work, tokenizer: "Tokenizer", taken: Mapping[str, int]
    ) -> None:
        self.params, self.work, self.tokenizer, self.taken = params, work, tokenizer, taken
        self.corpus = work.input("corpus")
        self.sources, self.text_from = tokenise(
            self.corpus.folder, work.scratch / "tokens", tokenizer, work.progress,
            chat=ChatRows(params.chat_sources, params.chat_system, params.chat_system_share) if params.chat_share else None,
        )  # fmt: skip
        self.plan = make_plan(self.sources, params, taken)
        _check_plan(self.plan, params, self.corpus.folder)
        self.capped = over_cap(self.sources, params, self.plan)
        _tell_caps(self.capped, params, work)
        self.batches = Batches(self.sources, self.plan, params, work.seed, taken)
        self.started = time.monotonic()
        self.seconds = 0.0

    @property
    def languages(self) -> tuple[str, ...]:
        """Tags of the text."""
        return tuple(name for name in self.batches.names if name != CHAT)

    def watch(self, base: "Run", tokenizer: "Tokenizer") -> "Watch | None":
        """What measures the run; None where the recipe measures nothing.

        Args:
            base: a run that is the base still.
            tokenizer: the base's.
        """
        if not self.params.measures:
            return None
        from rumpun.layer.watch import Watch, base_bits, held_documents

        documents = held_documents(
            self.corpus.folder, [self.tokenizer, tokenizer], self.params, self.work.seed
        )
        self.work.progress(0, 0, f"measuring the base on {len(documents)} held-out documents")
        bits = base_bits(base, documents, tokenizer, self.work.scratch / "base_bits.json")
        return Watch(documents, self.tokenizer, bits, self.params, self.work.seed)

    def train(self, run: "Run", watch: "Watch | None", one: "OneStep | None", params: RunParams) -> "Trained":
        """Every step, with the schedule of `params`; then the numbers of the kept step are in place."""
        from rumpun.layer.loop import train_steps

        trained = train_steps(
            run, self.batches, self.plan, params, self.work.scratch, one=one, watch=watch, progress=self.work.progress
        )  # fmt: skip
        self.seconds = trained.before + time.monotonic() - self.started
        return trained

    def tell(self, run: "Run", trained: "Trained", watch: "Watch | None") -> dict[str, Any]:
        """Put the kept step's numbers in place, write the losses and the curve; returns the manifest's summary."""
        kept = self._keep(run, watch, len(trained.losses))
        _write_losses(self.work.folder / LOSSES, trained.losses, self.batches)
        self._write_curve(trained, watch)
        params, seen = self.params, self.batches.taken(len(trained.losses))
        return (
            self._counts(run, len(trained.losses), seen)
            | {
                "text_from": self.text_from,
                "loss": _edges(trained.losses, self.batches),
                "stopped": trained.stopped,
                "kept_step": kept,
                "processes": run.group.size if run.group else 1,
                "over_cap": self.capped,
                "data": {
                    "corpus": self.corpus.manifest.id,
                    "seed": self.work.seed,
                    "sequence_tokens": params.sequence_tokens,
                    **params.chat_read,
                    "taken": seen,
                },
            }
            | (watch.said(kept) if watch else {})
        )

    def _keep(self, run: "Run", watch: "Watch | None", steps: int) -> int:
        """Put the best measured numbers in place where the recipe asks for them; returns the step that they are of."""
        if watch is None or self.params.keep != "best" or watch.best_step == steps:
            return steps
        run.put(watch.best)
        return watch.best_step

    def _write_curve(self, trained: "Trained", watch: "Watch | None") -> None:
        from rumpun.layer.curve import draw

        folder, params = self.work.folder, self.params
        lines = watch.curve if watch else []
        if watch:
            text = "".join(json.dumps(line) + "\n" for line in lines)
            (folder / CURVE).write_text(text, encoding="utf-8")
        picture = draw(
            lines, trained.losses.tolist(), self.batches.names, params.batch_sequences * params.sequence_tokens
        )  # fmt: skip
        (folder / PICTURE).write_text(picture, encoding="utf-8")

    def _counts(self, run: "Run", steps: int, seen: Mapping[str, int]) -> dict[str, Any]:
        import resource

        import torch

        params = self.params
        counts = {name: seen.get(name, 0) - self.taken.get(name, 0) for name in self.plan.counts}
        known = {s.name: s for s in self.sources}
        gpu = run.device.place.type == "cuda"
        peak = (
            torch.cuda.max_memory_allocated()
            if gpu
            else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        )
        return {
            "steps": steps,
            "tokens": steps * params.batch_sequences * params.sequence_tokens,
            "tokens_asked": params.tokens,
            "tokens_by_source": {name: count * params.sequence_tokens for name, count in counts.items()},
            "epochs_by_source": {
                name: round(count * params.sequence_tokens / known[name].tokens, 3)
                for name, count in counts.items()
            },
            "long_conversations_cut": sum(
                int((s.lengths > params.sequence_tokens).sum()) for s in self.sources if s.chat
            ),
            **({"base_beside": f"{params.replay.base_weight:g} of the loss in {', '.join(params.replay.languages)}"}
               if params.replay.base_weight else {}),
            "seconds": round(self.seconds, 1),  # of killed processes up to what they saved, too
            "trained_parameters": sum(p.numel() for p in run.parameters.values()),
            "device": run.device.words,
            "precision": str(run.device.dtype).removeprefix("torch."),
            "peak_memory_bytes": int(peak),
        }  # fmt: skip


def _check_plan(plan: Plan, params: RunParams, corpus: Path) -> None:
    if plan.steps == 0:
        raise InputError(
            f"{corpus}: text for {sum(plan.counts.values())} sequences of {params.sequence_tokens} tokens, one batch"
            f" is {params.batch_sequences}", "raise epochs_max, lower batch_sequences, or add text"
        )  # fmt: skip


def _tell_caps(capped: Mapping[str, Mapping[str, float]], params: RunParams, work: Work) -> None:
    """Refuse a share that the recipe names and the cap takes away; tell of the others, whose rest is shared out."""
    for name, passes in capped.items():
        words = f"{name}: the mixture asks for {passes['wanted']:g} passes over its text, epochs_max = {params.epochs_max:g}"
        if params.language_weights or name in params.replay.languages:
            raise InputError(words, "raise epochs_max, lower its share or tokens, or add text")
        work.progress(0, 0, f"{words}; the rest is shared out")


def _write_losses(path: Path, losses: "torch.Tensor", batches: Batches) -> None:
    """One line a step: the mean loss in nats a token of each source in it. No times, so that equal runs write equal bytes."""
    with path.open("w", encoding="utf-8") as stream:
        for number, row in enumerate(losses.tolist(), 1):
            means = {
                name: round(nats / count, 6)
                for name, (nats, count) in zip(batches.names, row, strict=True)
                if count
            }
            stream.write(json.dumps({"step": number, "loss": means}) + "\n")


def _edges(losses: "torch.Tensor", batches: Batches) -> dict[str, dict[str, float]]:
    """Mean loss of each source in the first and the last steps that saw it."""
    found: dict[str, dict[str, float]] = {}
    for place, name in enumerate(batches.names):
        mine = losses[:, place][losses[:, place, 1] > 0]
        if not len(mine):
            continue
        edge = max(1, int(len(mine) * _EDGE))
        first, last = mine[:edge].sum(0).tolist(), mine[-edge:].sum(0).tolist()
        found[name] = {"first": round(first[0] / first[1], 4), "last": round(last[0] / last[1], 4)}
    return found
