"""Held-out bits per byte and forgetting while a run goes on, when to stop, and which numbers to keep.

Documents come from the end of the order in which `evaluate.bpb` takes them from the start, so that the two share none where
enough are held out. Each is scored after one end-of-text token, cut at the run's sequence length, against the base on the
same text in the base's own tokenization. The best of many measurements flatters: its figure is chosen by these documents.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rumpun.errors import InputError
from rumpun.layer.params import RunParams
from rumpun.measure.bits import bits
from rumpun.measure.resample import interval, paired_interval

if TYPE_CHECKING:
    import torch

    from rumpun.layer.prepared import Run
    from rumpun.layer.tokenizer import Tokenizer

__all__ = ["BASE_LANGUAGE", "HeldDocument", "Watch", "base_bits", "held_documents", "score"]

BASE_LANGUAGE = "en"  # watched for forgetting where the recipe names no language of replay
_DRAWS = 2_000  # of the documents, for the intervals
_DIGITS = 6
_MEASUREMENTS = 2  # in a row that must show forgetting: one may be chance

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class HeldDocument:
    """A held-out text, or the beginning of one."""

    text: str
    language: str  # BCP-47

    @property
    def bytes(self) -> int:
        """UTF-8 bytes."""
        return len(self.text.encode())


def held_documents(
    corpus: Path, tokenizers: "Sequence[Tokenizer]", params: RunParams, seed: int
) -> list[HeldDocument]:
    """So many documents of each language, cut so that every tokenizer makes a sequence at most of each.

    Raises:
        InputError: nothing is held out, or a shard cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    found: dict[str, list[tuple[str, str]]] = {}
    for shard in sorted((corpus / "heldout").glob("*.parquet")):
        try:
            rows = pq.read_table(shard, columns=["id", "text", "language"]).to_pylist()
        except (pa.ArrowException, KeyError, OSError) as error:
            raise InputError(
                f"{shard}: not a shard of documents ({error})", "make the corpus again"
            ) from error
        for row in rows:
            if row["text"]:
                order = hashlib.blake2b(f"{seed}:{row['id']}".encode(), digest_size=8).hexdigest()
                found.setdefault(row["language"], []).append((order + row["id"], row["text"]))
    if not found:
        raise InputError(
            f"{corpus}/heldout: no document, and the recipe measures while it trains",
            "name held_out_sources in the corpus step, or set measure_steps = 0",
        )
    return [
        HeldDocument(_cut(text, tokenizers, params.sequence_tokens), tag)
        for tag in sorted(found)
        for _, text in sorted(found[tag], reverse=True)[: params.measure_documents]
    ]


def _cut(text: str, tokenizers: "Sequence[Tokenizer]", most: int) -> str:
    """The beginning of a text that has at most so many tokens, the one before it counted."""
    for tokenizer in tokenizers:
        count = len(tokenizer.documents([text])[0])
        while count > most - 1 and len(text) > 1:
            text = text[: max(1, min(len(text) - 1, len(text) * (most - 1) // count))]
            count = len(tokenizer.documents([text])[0])
    return text


def score(run: "Run", documents: Sequence[HeldDocument], tokenizer: "Tokenizer") -> Floats:
    """Bits of each document [documents] after the token that begins a text."""
    import torch

    from rumpun.layer.logits import token_logprobs

    begin = tokenizer.start or [tokenizer.end]
    rows = [[*begin, *ids] for ids in tokenizer.documents([document.text for document in documents])]
    found = np.zeros(len(rows))
    left = sorted(range(len(rows)), key=lambda at: -len(rows[at]))
    place = run.device.place
    with torch.no_grad():
        run.refresh()
        while left:
            width = len(rows[left[0]])
            some, left = _split(left, max(1, run.device.micro_tokens // width))
            ids = torch.full((len(some), width), tokenizer.end)
            targets = torch.full_like(ids, -1)
            for line, at in enumerate(some):
                ids[line, : len(rows[at])] = torch.tensor(rows[at])
                targets[line, len(begin) - 1 : len(rows[at]) - 1] = torch.tensor(rows[at][len(begin) :])
            hidden = run.decoder(input_ids=ids.to(place), use_cache=False).last_hidden_state
            counted = (targets >= 0).to(place)
            logprobs = token_logprobs(
                run, hidden[counted], targets.to(place)[counted], chunk=run.device.chunk_tokens
            )
            each = torch.zeros(ids.shape, dtype=torch.float64, device=place)
            each[counted] = logprobs.double()
            found[some] = [bits(nats) for nats in each.sum(1).tolist()]
    return found


def _split(items: list[int], count: int) -> tuple[list[int], list[int]]:
    return items[:count], items[count:]


def base_bits(run: "Run", documents: Sequence[HeldDocument], tokenizer: "Tokenizer", kept: Path) -> Floats:
    """The base's bits, by a run that is the base still; read from `kept` where an earlier process left them.

    Added tokens' rows are left out of the output: the base has none.
    """
    if kept.is_file():
        return np.array(json.loads(kept.read_text()), dtype=np.float64)
    added = 0 if run.rows is None else len(run.rows)
    if 0 < added < len(run.table):  # where every weight is trained, they are the base's own
        run = replace(run, table=run.table[:-added], rows=None)
    found = score(run, documents, tokenizer)
    making = kept.with_name(f".{kept.name}")
    making.write_text(json.dumps(found.tolist()))
    making.replace(kept)
    return found


class Watch:
    """The measurements of a run.

    Args:
        documents: held out.
        tokenizer: the run's.
        base: [documents] bits of the base.
        params: of the run.
        seed: of the intervals.
    """

    def __init__(
        self,
        documents: Sequence[HeldDocument],
        tokenizer: "Tokenizer",
        base: Floats,
        params: RunParams,
        seed: int,
    ) -> None:
        self.documents, self.tokenizer, self.base, self.params, self.seed = (
            documents, tokenizer, base, params, seed,
        )  # fmt: skip
        tags = dict.fromkeys(document.language for document in documents)
        self.forgetting = tuple(tag for tag in params.replay.languages or (BASE_LANGUAGE,) if tag in tags)
        lacking = sorted(set(params.replay.languages) - set(tags))
        if lacking or (params.stop_forgetting > 0 and not self.forgetting):
            raise InputError(
                f"forgetting cannot be measured: nothing is held out in {', '.join(lacking or [BASE_LANGUAGE])}",
                "name held_out_sources for it in the corpus step",
            )
        self.curve: list[dict[str, Any]] = []
        self.best: dict[str, torch.Tensor] = {}
        self.best_step = 0
        self._seconds = 0.0  # when the last measurement was

    @property
    def step(self) -> int:
        """Of the last measurement; -1: none yet."""
        return int(self.curve[-1]["step"]) if self.curve else -1

    def due(self, step: int, seconds: float) -> bool:
        """Whether to measure after this step, so many seconds of training in."""
        p = self.params
        by_step = p.measure_steps > 0 and step % p.measure_steps == 0
        return by_step or (p.measure_seconds > 0 and seconds - self._seconds >= p.measure_seconds)

    def measure(self, run: "Run", step: int, tokens: int, seconds: float) -> dict[str, Any]:
        """Add a line to the curve; keep the trained numbers where they are the best so far."""
        row = {"step": step, "tokens": tokens, **self._figures(score(run, self.documents, self.tokenizer))}
        kept = next((line for line in self.curve if line["step"] == self.best_step), None)
        if kept is None or (row["mean"] < kept["mean"] and not self._forgets(row)) or (
            self._forgets(kept) and not self._forgets(row)
        ):  # fmt: skip
            if self.params.keep == "best":
                self.best = {name: numbers.cpu().clone() for name, numbers in run.numbers().items()}
            self.best_step = step
        self.curve.append(row)
        self._seconds = seconds
        return row

    def stopped(self) -> str:
        """Why the run should stop; empty: it should not."""
        p = self.params
        last = self.curve[-_MEASUREMENTS:]
        if len(last) == _MEASUREMENTS and all(self._forgets(row) for row in last):
            worst = max(self.forgetting, key=lambda tag: last[-1]["languages"][tag]["difference"][0])
            least = last[-1]["languages"][worst]["difference"][0]
            return (
                f"forgetting: {worst} lost at least {least:.3f} bits per byte at step {self.step},"
                f" stop_forgetting = {p.stop_forgetting:g}"
            )
        since = sum(1 for row in self.curve if row["step"] > self.best_step)
        if p.stop_patience and since >= p.stop_patience:
            return f"patience: no better mean since step {self.best_step}, stop_patience = {p.stop_patience}"
        return ""

    def said(self, kept: int) -> dict[str, Any]:
        """What the manifest says: first, last and kept lines of the curve."""
        by_step = {row["step"]: row for row in self.curve}
        return {
            "measured": {
                "documents": len(self.documents), "measurements": len(self.curve), "first": self.curve[0],
                "last": self.curve[-1], "kept": by_step[kept],
                "note": "the kept step was chosen by these documents, so its figure flatters" if self.params.keep == "best" else "",
            }
        }  # fmt: skip

    def words(self) -> str:
        """The state, for a checkpoint."""
        return json.dumps({"curve": self.curve, "best_step": self.best_step, "seconds": self._seconds})

    def take_up(self, words: str, best: "Mapping[str, torch.Tensor]") -> None:
        """Go on from a checkpoint's state."""
        state = json.loads(words)
        self.curve, self.best_step, self._seconds = state["curve"], state["best_step"], state["seconds"]
        self.best = dict(best)

    def _forgets(self, row: Mapping[str, Any]) -> bool:
        most = self.params.stop_forgetting
        ends = [row["languages"][tag]["difference"] for tag in self.forgetting]
        return most > 0 and any(end is not None and end[0] > most for end in ends)

    def _figures(self, found: Floats) -> dict[str, Any]:
        languages: dict[str, dict[str, Any]] = {}
        for tag in dict.fromkeys(document.language for document in self.documents):
            places = [at for at, document in enumerate(self.documents) if document.language == tag]
            sizes = np.array([self.documents[at].bytes for at in places], dtype=np.float64)
            ours, theirs = found[places], self.base[places]
            languages[tag] = {
                "bpb": _rounded(ours.sum() / sizes.sum()),
                "ci95": _ends(interval(ours, sizes, draws=_DRAWS, seed=self.seed)),
                "base": _rounded(theirs.sum() / sizes.sum()),
                "difference": _ends(paired_interval(ours, theirs, sizes, draws=_DRAWS, seed=self.seed)),
                "documents": len(places),
            }
        mean = _rounded(sum(row["bpb"] for row in languages.values()) / len(languages))
        forgetting = {
            tag: {"difference": _rounded(languages[tag]["bpb"] - languages[tag]["base"]), "ci95": languages[tag]["difference"]}
            for tag in self.forgetting
        }  # fmt: skip
        return {"mean": mean, "languages": languages, "forgetting": forgetting}


def _ends(found: tuple[float, float] | None) -> list[float] | None:
    return None if found is None else [_rounded(end) for end in found]


def _rounded(value: float) -> float:
    return round(float(value), _DIGITS)
