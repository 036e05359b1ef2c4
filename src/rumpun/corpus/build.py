"""The step `corpus.build`: sources -> train/*.parquet, heldout/*.parquet, chat.jsonl, drops.jsonl and the figures.

Every row read is in exactly one place: in training, held out, or dropped for a named reason; the summary's `rows` adds
up. A killed build resumes from its scratch folder and ends with the same bytes.
"""

import json
import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rumpun.corpus.params import BuildParams
from rumpun.corpus.parts import place
from rumpun.corpus.read.inventory import LeftOut, Unit, find_units, identity
from rumpun.errors import InputError
from rumpun.records.places import source_data
from rumpun.steps import Outcome, Work, step

if TYPE_CHECKING:
    from rumpun.corpus.chat.rows import ChatRows
    from rumpun.corpus.letters import Hashes
    from rumpun.corpus.settle import Settled

__all__ = ["BuildParams", "build"]

_TEXT = ("text", "seed", "side", "file", "inline")


@step(kind="corpus", version=1, identity=identity, part="corpus")
def build(params: BuildParams, work: Work) -> Outcome:
    """Curate, trace, balance and hold out.

    Raises:
        InputError: data that are missing, damaged, empty, unlabelled or in an unknown language.
    """
    import numpy as np
    import pyarrow as pa

    from rumpun.corpus.chat.rows import ChatRows
    from rumpun.corpus.figures import sources, summary

    units, left = find_units(params)
    job = _Build(params, work, units, left)
    settled = job.settle(job.spool())
    with (work.scratch / "chat.drops.jsonl").open("w", encoding="utf-8") as drops:
        chat = ChatRows(drops)
        job.chat(chat)
    job.gather(settled, chat)
    figures = summary(params, job.rows, settled, chat, left)
    if not figures["rows"]["train"] and not chat.train:
        reasons = (
            ", ".join(f"{n} {reason}" for reason, n in job.dropped.most_common(5)) or "no rows were read"
        )
        raise InputError(
            f"nothing is left to train on ({reasons})", "name more sources, or loosen the filters"
        )
    return Outcome(
        sources=sources(units, settled, chat),
        languages=params.languages,
        summary=figures,
        tools={"pyarrow": pa.__version__, "numpy": np.__version__},
    )


@dataclass(slots=True)
class _Build:
    """One build under way."""

    params: BuildParams
    work: Work
    units: list[Unit]
    left: list[LeftOut]
    rows: dict[str, Any] = field(default_factory=lambda: {"read": 0, "added_by_splitting": 0})
    dropped: Counter[str] = field(default_factory=Counter)
    done: int = 0

    def _texts(self) -> list[Unit]:
        return [unit for unit in self.units if unit.kind in _TEXT]

    def _step(self, note: str) -> None:
        self.done += 1
        self.work.progress(self.done, len(self.units) + len(self.params.languages) + 1, note)

    def spool(self) -> dict[str, list[Path]]:
        """Every text unit onto the shelf; language -> the files that hold it."""
        from rumpun.corpus.spool import spool_text

        for item in self.left:
            if item.kind in _TEXT:
                self.rows["read"] += item.rows
                self.dropped[item.reason] += item.rows
        shelves: dict[str, list[Path]] = {}
        for number, unit in enumerate(self._texts()):
            tally = spool_text(number, unit, self.params, self.work.scratch, self.work.seed)
            self.rows["read"] += tally.read
            self.rows["added_by_splitting"] += tally.added
            self.dropped.update(tally.dropped)
            for tag in tally.kept:
                shelves.setdefault(tag, []).append(self.work.scratch / f"unit-{number}.{tag}.parquet")
            self._step(f"read {unit.source}")
        return shelves

    def _evaluation(self) -> "Hashes":
        """Keys of evaluation strings, kept in the scratch folder once made."""
        import numpy as np

        from rumpun.corpus.overlap import evaluation_keys

        if not self.params.from_inventory:
            return np.zeros(0, dtype=np.uint64)
        kept = self.work.scratch / "evaluation.npy"
        if not kept.is_file():
            folder = Path(self.params.data).expanduser() if self.params.data else source_data()
            aside = self.work.scratch / "evaluation.part.npy"
            np.save(aside, evaluation_keys(folder / "eval"), allow_pickle=False)
            aside.replace(kept)
        found: Hashes = np.load(kept, allow_pickle=False)
        return found

    def settle(self, shelves: dict[str, list[Path]]) -> "dict[str, Settled]":
        """Every language's train and held-out files."""
        from rumpun.corpus.settle import settle

        settled: dict[str, Settled] = {}
        evaluation = self._evaluation()
        for tag in self.params.languages:
            settled[tag] = settle(
                tag,
                shelves.get(tag, []),
                self.params,
                scratch=self.work.scratch,
                evaluation=evaluation,
                seed=self.work.seed,
            )
            self.dropped.update(settled[tag].dropped)
            self._step(f"settled {tag}")
        for part in ("train", "held_out"):
            self.rows[part] = sum(f["documents"] for s in settled.values() for f in getattr(s, part).values())
        self.rows["dropped"] = dict(sorted(self.dropped.items()))
        return settled

    def chat(self, into: "ChatRows") -> None:
        """Chat rows, in an order drawn from the seed."""
        from rumpun.corpus.chat.pairs import add_pairs
        from rumpun.corpus.chat.rows import Known, instruct_rows, seed_rows

        for item in self.left:
            if item.kind not in _TEXT:
                into.read += item.rows
                into.dropped[item.reason] += item.rows
        units = [unit for unit in self.units if unit.kind not in _TEXT]
        if not units:
            return
        known = Known(self._held_out(), self._evaluation())
        for unit in units:
            if unit.kind != "pairs":
                (seed_rows if unit.kind == "chat" else instruct_rows)(
                    unit, self.params, known, self.work.seed, into
                )
                self._step(f"chat rows of {unit.source}")
        pairs = [unit for unit in units if unit.kind == "pairs"]
        add_pairs(pairs, self.params, known, self.work.seed, into, progress=self._step)
        into.train.sort(key=lambda item: (item[0], item[1]["source"], item[1]["messages"][0]["content"]))

    def _held_out(self) -> dict[str, Any]:
        import pyarrow.parquet as pq

        from rumpun.corpus.settle import held_out_index

        found = {}
        for tag in self.params.languages:
            path = self.work.scratch / f"{tag}.heldout.parquet"
            if path.is_file():
                texts = pq.read_table(path, columns=["text"])["text"].to_pylist()
                found[tag] = held_out_index(texts, tag, self.params)
        return found

    def gather(self, settled: "dict[str, Settled]", chat: "ChatRows") -> None:
        """Put the finished pieces in the artefact's folder."""
        scratch, folder = self.work.scratch, self.work.folder
        for name in ("train", "heldout"):
            (folder / name).mkdir(exist_ok=True)
            for tag, item in settled.items():
                if item.train if name == "train" else item.held_out:
                    place(scratch / f"{tag}.{name}.parquet", folder / name / f"{tag}.parquet")
        parts = [scratch / f"unit-{n}.drops.jsonl" for n in range(len(self._texts()))]
        parts += [scratch / f"{tag}.drops.jsonl" for tag in self.params.languages]
        with (folder / "drops.jsonl").open("wb") as drops:
            for left in self.left:
                row = {"id": left.path, "source": left.source, "language": "", "reason": left.reason}
                drops.write(json.dumps(row | {"rows": left.rows}, ensure_ascii=False).encode() + b"\n")
            for path in [*parts, scratch / "chat.drops.jsonl"]:
                with path.open("rb") as stream:
                    shutil.copyfileobj(stream, drops)
        _jsonl(folder / "chat.jsonl", [row for _, row in chat.train])
        if chat.held_out:
            _jsonl(folder / "heldout" / "chat.jsonl", chat.held_out)
        self._step("corpus whole")


def _jsonl(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as stream:
        for row in rows:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")
