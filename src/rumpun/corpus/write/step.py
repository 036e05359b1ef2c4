"""The step `corpus.write`: what trains, what is held out and everything that was removed, with shards, figures and cards.

The corpus holds

- `train/<language>.parquet` and `heldout/<language>.parquet`: id, text (with every edit applied), language, source,
  licence, url, domain, contributor, key (of the documents artefact) and times (how often the mixture takes it);
- `chat.jsonl`, `heldout/chat.jsonl`: conversations, where the recipe asks for them;
- `drops/*.parquet`: every document that was removed, with its text as it was read, and what could not be read;
- `packed/`: token shards, where a tokenizer is given (see `packed`);
- `figures.json`: the counts that the cards are made of; `cards/`: the cards.

Parts are read one at a time and written as they come, by threads, since pyarrow compresses without the interpreter; memory
does not grow with the corpus.
"""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rumpun.corpus.chat.write import Chat, chat_identity, write_chat
from rumpun.corpus.engine import workers
from rumpun.corpus.mix.beginning import beginning
from rumpun.corpus.mix.held import held_out_index
from rumpun.corpus.mix.step import MIXTURE, source_kinds
from rumpun.corpus.parts import drops_schema, part_paths, read_part, write_part
from rumpun.corpus.texts import Part, final_array, join_parts
from rumpun.corpus.write.figures import Counts, entries, summary
from rumpun.corpus.write.params import WriteParams
from rumpun.corpus.write.rows import Shelf, Writers, corpus_schema, dropped, refused
from rumpun.errors import InputError
from rumpun.records.artefacts import Maker, Manifest, now, sha256_file
from rumpun.steps import Outcome, Work, step

if TYPE_CHECKING:
    import pyarrow as pa

    from rumpun.corpus.overlap import HeldOut
    from rumpun.corpus.write.packed import Packer

__all__ = ["FIGURES", "WriteParams", "write"]

FIGURES = "figures.json"
_COPIED = ("id", "source", "licence", "url", "domain", "contributor")
_PACKED_AT_ONCE = 512  # documents


def _identity(params: WriteParams) -> dict[str, str]:
    """The tokenizer's bytes, and the files of chat rows."""
    facts = chat_identity(params.chat({})) if params.chats else {}
    if params.tokenizer:
        from rumpun.corpus.tokenizer import tokenizer_file
        from rumpun.weights.packed_shards import FORMAT

        facts["packed_format"] = str(FORMAT)
        facts["tokenizer"] = sha256_file(tokenizer_file(params.tokenizer))
    return facts


@step(
    kind="corpus",
    version=1,
    identity=_identity,
    part="corpus",
    needs=("documents", "attributes", "decisions", "mixture"),
)
def write(params: WriteParams, work: Work) -> Outcome:
    """Write the corpus.

    Raises:
        InputError: parts of other documents, an edit that does not fit, or nothing left to train on.
    """
    import pyarrow as pa

    writing = _Writing(params, work)
    writing.texts()
    writing.rejected()
    chat = writing.chat()
    if not writing.counts.total("train") and not chat.train:
        raise InputError("nothing is left to train on", "look at the mixture's figures, and loosen it")
    outcome = writing.outcome(chat, {"pyarrow": pa.__version__, "numpy": np.__version__})
    writing.cards(outcome)
    return outcome


@dataclass(slots=True)
class _Writing:
    """One corpus under way."""

    params: WriteParams
    work: Work
    counts: Counts = field(default_factory=Counts)
    mixture: dict[str, Any] = field(default_factory=dict)
    packed: dict[str, Any] = field(default_factory=dict)
    folders: dict[str, Path] = field(default_factory=dict)
    writers: Writers = field(init=False)
    done: int = 0

    def __post_init__(self) -> None:
        for kind in ("documents", "attributes", "decisions", "mixture"):
            self.folders[kind] = self.work.input(kind).folder
        self.mixture = json.loads((self.folders["mixture"] / MIXTURE).read_text(encoding="utf-8"))

    def _mixed(self, name: str) -> Any:
        """A parameter of the mixture that this corpus is made by."""
        return self.work.input("mixture").manifest.maker.params[name]

    def texts(self) -> None:
        """Every part: training rows, held-out rows, drops, and tokens."""
        parts = join_parts(self.folders["documents"], self.folders["attributes"], self.folders["decisions"])
        mixed = part_paths(self.folders["mixture"])
        if len(mixed) != len(parts):
            raise InputError(
                f"{len(parts)} parts of documents, {len(mixed)} of the mixture",
                "name steps in `needs` that were made from the same documents",
            )
        packer = self._packer()
        with Writers(workers()) as self.writers:
            shelves = {name: Shelf(self.work.folder / name, self.writers) for name in ("train", "heldout")}
            for part, path in zip(parts, mixed, strict=True):
                self._part(part, read_part(path), shelves, packer)
                self.done += 1
                self.work.progress(self.done, len(parts) + 2, f"part {part.number} written")
            for shelf in shelves.values():
                shelf.close()
        if packer is not None:
            self.packed = packer.close()["languages"]

    def _packer(self) -> "Packer | None":
        if not self.params.tokenizer:
            return None
        from rumpun.corpus.tokenizer import PackTokenizer
        from rumpun.corpus.write.packed import Packer

        tokenizer = PackTokenizer(self.params.tokenizer, self.params.end_of_text)
        return Packer(self.work.folder / "packed", tokenizer, self.params.shard_tokens)

    def _part(
        self, part: Part, mixed: "pa.Table", shelves: Mapping[str, Shelf], packer: "Packer | None"
    ) -> None:
        documents, decisions = read_part(part.documents), read_part(part.decisions)
        if not documents["key"].equals(decisions["key"]) or not documents["key"].equals(mixed["key"]):
            raise InputError(
                f"{part.decisions}: rows of other documents than {part.documents}",
                "name steps in `needs` that were made from the same documents",
            )
        tags = np.array(decisions["language"].to_pylist(), dtype=object)
        places = np.array(mixed["place"].to_pylist(), dtype=object)
        chosen = np.flatnonzero(places != "")
        rows = self._rows(part, documents, mixed, decisions, chosen)
        for place, shelf in shelves.items():
            for tag in sorted(set(tags[places == place])):
                own = np.flatnonzero((places == place) & (tags == tag))
                table = rows.take(np.searchsorted(chosen, own))
                if place == "heldout":
                    table = self._cut(table)
                self._count(table, place)
                shelf.put(tag, table)
                if place == "train":
                    self._count_edits(decisions, own)
                    if packer is not None:
                        _pack(packer, tag, table)
        self._drops(part, documents, decisions, mixed, np.flatnonzero(places == ""))

    @staticmethod
    def _rows(
        part: Part,
        documents: "pa.Table",
        mixed: "pa.Table",
        decisions: "pa.Table",
        rows: NDArray[np.int64],
    ) -> "pa.Table":
        """The rows of a part that train or are held out, as they are written."""
        import pyarrow as pa

        taken = documents.take(rows)
        columns: dict[str, Any] = {name: taken[name] for name in (*_COPIED, "key")}
        columns |= {
            "text": final_array(part, rows, documents).cast(pa.string()),
            "language": decisions["language"].take(rows),
            "times": mixed["times"].take(rows),
        }
        schema = corpus_schema()
        return pa.table([columns[name] for name in schema.names], schema=schema)

    def _cut(self, table: "pa.Table") -> "pa.Table":
        """Held-out rows with as much of their texts as is measured."""
        import pyarrow as pa

        most = self._mixed("held_out_characters_per_document")
        texts = pa.array([beginning(text, most) for text in table["text"].to_pylist()], pa.string())
        return table.set_column(table.schema.get_field_index("text"), table.schema.field("text"), texts)

    def _count(self, table: "pa.Table", outcome: str) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        sizes = pc.cast(pc.binary_length(table["text"]), pa.int64())
        self.counts.add(
            table.select(["language", "source", "licence", "domain", "times"])
            .append_column("bytes", sizes)
            .append_column("outcome", pa.array([outcome] * table.num_rows, pa.string()))
        )
        if outcome == "train":
            self.counts.credit(table.select(["source", "url", "contributor"]).append_column("bytes", sizes))

    def _count_edits(self, decisions: "pa.Table", rows: NDArray[np.int64]) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        edits = pc.list_flatten(decisions["edits"].take(pa.array(rows)))
        for item in pc.value_counts(pc.struct_field(edits, "rule")).to_pylist():
            self.counts.edits[item["values"]] += item["counts"]

    def _drops(
        self,
        part: Part,
        documents: "pa.Table",
        decisions: "pa.Table",
        mixed: "pa.Table",
        rows: NDArray[np.int64],
    ) -> None:
        """Every row of a part that neither trains nor is held out; the rule is the decision's, or else the mixture's."""
        if not len(rows):
            return
        import pyarrow as pa
        import pyarrow.compute as pc

        at = pa.array(rows)
        taken, decided, over = documents.take(at), decisions.take(at), mixed.take(at)
        own = decided["kept"]
        rule = pc.if_else(own, over["rule"], decided["rule"])
        if rule.null_count:
            row = int(rows[int(pc.index(pc.is_null(rule), pa.scalar(value=True)).as_py())])
            raise InputError(
                f"{part.documents}, row {row}: removed by no rule",
                "run the recipe again from corpus.filter on",
            )
        table = dropped(taken, decided, over, rule)
        self.writers.put(functools.partial(write_part, self.work.folder / "drops", part.number, table))
        counted = pa.table(
            {
                "language": table["language"],
                "source": table["source"],
                "licence": taken["licence"],
                "domain": taken["domain"],
                "outcome": rule,
                "times": pa.array(np.zeros(len(rows), dtype=np.uint16)),
                "bytes": pc.cast(pc.binary_length(table["text"]), pa.int64()),
            }
        )
        self.counts.add(counted)

    def rejected(self) -> None:
        """Rows that could not be read at all, as drops without a key; of a damaged text what can be shown of it."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        folder = self.work.folder / "drops"
        folder.mkdir(exist_ok=True)
        path = self.folders["documents"] / "rejected.parquet"
        if not path.is_file():
            return
        with pq.ParquetFile(path) as file:
            if not file.metadata.num_rows:
                return
            with pq.ParquetWriter(folder / "rejected.parquet", drops_schema(), compression="zstd") as out:
                for batch in file.iter_batches(batch_size=256):
                    rows = batch.to_pylist()
                    for row in rows:
                        key = (row["language"] or "", row["source"], row["licence"] or "", row["rule"])
                        self.counts.rejected[key] += row["rows"]
                    out.write_table(
                        pa.Table.from_pylist([refused(row) for row in rows], schema=drops_schema())
                    )

    def _held_out(self) -> "dict[str, HeldOut]":
        found = {}
        for path in sorted((self.work.folder / "heldout").glob("*.parquet")):
            texts = read_part(path, ["text"])["text"].to_pylist()
            words, letters = self._mixed("held_out_run_words"), self._mixed("held_out_run_letters")
            found[path.stem] = held_out_index(texts, path.stem, words=words, letters=letters)
        return found

    def chat(self) -> Chat:
        """Chat rows, where they are asked for; else an empty chat.jsonl."""
        if not self.params.chats:
            (self.work.folder / "chat.jsonl").write_text("", encoding="utf-8")
            return Chat()
        held = {tag: tuple(names) for tag, names in self._mixed("held_out_sources").items()}
        return write_chat(
            self.params.chat(held),
            self.work.folder,
            self.work.scratch,
            self.work.seed,
            self._held_out(),
            progress=lambda note: self.work.progress(self.done, 0, note),
        )

    def outcome(self, chat: Chat, tools: dict[str, str]) -> Outcome:
        """Write figures.json; say what the manifest says."""
        documents = self.work.input("documents").manifest
        listed = json.loads((self.folders["documents"] / "sources.json").read_text(encoding="utf-8"))
        left_out = [
            {"source": source["name"], **{key: item[key] for key in ("reason", "rows")}}
            for source in listed
            for item in source["left_out"]
        ] + [{"source": item.source, "reason": item.reason, "rows": item.rows} for item in chat.left_out]
        tags = dict.fromkeys([*self.work.input("mixture").manifest.languages, *self.params.chat_languages])
        held_by = {tag: item["held_out"]["by"] for tag, item in self.mixture["languages"].items()}
        figures = {
            "format": 1,
            "counts": self.counts.rows(),
            "rejected": [
                dict(zip(("language", "source", "licence", "rule"), key, strict=True)) | {"rows": rows}
                for key, rows in sorted(self.counts.rejected.items())
            ],
            "hosts": [
                {"source": source, "host": host, "bytes": size}
                for (source, host), size in sorted(self.counts.hosts.items(), key=lambda i: (-i[1], i[0]))
            ],
            "contributors": {name: len(people) for name, people in sorted(self.counts.contributors.items())},
            "kinds": source_kinds(self.folders["documents"]),
            "source_classes": self._mixed("source_classes"),
            "mixture": self.mixture,
            "made_by": [
                {
                    "step": item.manifest.maker.step,
                    "version": item.manifest.maker.version,
                    "id": item.manifest.id,
                    "tools": item.manifest.maker.tools,
                }
                for item in self.work.inputs
            ],
        }
        text = json.dumps(figures, ensure_ascii=False, indent=1) + "\n"
        (self.work.folder / FIGURES).write_text(text, encoding="utf-8")
        return Outcome(
            sources=entries(self.counts, documents, chat),
            languages=tuple(tags),
            summary=summary(self.counts, list(tags), held_by, chat, left_out=left_out, packed=self.packed),
            tools=tools,
            name=self.params.card.title,
        )

    def cards(self, outcome: Outcome) -> None:
        """The cards, from the manifest as the runner is about to write it."""
        import dataclasses

        from rumpun.corpus.cards import render_cards
        from rumpun.version import __version__

        self.work.progress(self.done + 1, self.done + 2, "drawing the cards")
        manifest = Manifest(
            kind="corpus",
            id=self.work.key,
            name=outcome.name or "corpus",
            created=now(),
            maker=Maker(
                step="corpus.write",
                version=write.version,
                params=dataclasses.asdict(self.params) | {"seed": self.work.seed},
                rumpun=__version__,
                tools=outcome.tools,
            ),
            parents=tuple(item.manifest.id for item in self.work.inputs),
            sources=outcome.sources,
            licences=tuple(sorted({entry.licence for entry in outcome.sources if entry.rows})),
            languages=outcome.languages,
            summary=outcome.summary,
        )
        render_cards(self.work.folder, manifest, self.work.folder / "cards")


def _pack(packer: "Packer", language: str, table: "pa.Table") -> None:
    for start in range(0, table.num_rows, _PACKED_AT_ONCE):
        some = table.slice(start, _PACKED_AT_ONCE)
        packer.put(language, some["text"].to_pylist(), some["key"].to_pylist(), some["times"].to_pylist())
